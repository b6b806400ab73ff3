"""Convolution backwards: what a convolution does to gradients, as a layer that makes images larger.

y[n, o, i stride + k dilation - padding] += sum over c of  weight[c, o, k] x[n, c, i]
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from thalweg.mytorch.checks import check_floats
from thalweg.mytorch.nn.conv import Convolution, Convolving
from thalweg.mytorch.nn.window import Pair, Window, as_pair
from thalweg.mytorch.tensor import Tensor, as_tensor, record

__all__ = ["ConvTranspose2d", "conv_transpose2d"]


class ConvTranspose2d(Convolving):
    """Every pixel spread over a window of the result: for decoders, and images made larger.

    x: (N, in_channels, H, W), y: (N, out_channels, H', W'), with

        H' = (H - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1

    so that it undoes what a Conv2d of the same settings does to the size; `output_padding` says
    which of the sizes that this one would make equal is meant. `weight` is (in, out / groups, kh,
    kw); it and `bias` (out,) start as torch's.

    Differs: padding is always of zeros; no `output_size` at the call.
    """

    _shown = ("kernel_size", "stride", "padding", "output_padding", "dilation", "groups")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        output_padding: int | tuple[int, int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, int] = 1,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(
            in_channels, out_channels, (kernel_size, stride, padding, dilation), groups, bias, dtype
        )
        given = type(self).__name__, output_padding, self.stride, self.dilation
        self.output_padding = _check_output_padding(*given)

    def _weight_shape(self) -> tuple[int, ...]:
        return self.in_channels, self.out_channels // self.groups, *self.kernel_size

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return conv_transpose2d(
            x,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )


def conv_transpose2d(
    input: Tensor | ArrayLike,
    weight: Tensor | ArrayLike,
    bias: Tensor | ArrayLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """Spread (N, C, H, W) by `weight` (C, out / groups, kh, kw)."""
    x, w = as_tensor(input), as_tensor(weight)
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != len(w) or len(w) % groups:
        raise ValueError(
            f"conv_transpose2d: input {x.shape} and weight {w.shape} do not fit: they must be "
            f"(N, C, H, W) and (C, out / groups, kh, kw) with groups={groups}"
        )
    check_floats("conv_transpose2d", input=x, weight=w)
    window = Window.of("conv_transpose2d", w.shape[2:], stride, padding, dilation)
    extra = _check_output_padding(
        "conv_transpose2d", output_padding, window.stride, window.dilation
    )
    places = (x.shape[2], x.shape[3])
    shape = (len(x), w.shape[1] * groups, *_sizes(x, window, extra))

    def over(image: np.ndarray) -> Convolution:
        """The convolution, from an image of the result's shape, whose reverse this is."""
        return Convolution(image, w.data, window, groups, places)

    y = over(np.broadcast_to(np.zeros((), x.dtype), shape)).gradient_of_x(x.data)
    parents = [
        (x, lambda g: over(g).forward()),
        (w, lambda g: over(g).gradient_of_weight(x.data)),
    ]
    if bias is not None:
        b = as_tensor(bias)
        if b.shape != shape[1:2]:
            raise ValueError(f"conv_transpose2d: bias must have shape {shape[1:2]}, got {b.shape}")
        check_floats("conv_transpose2d", input=x, bias=b)
        y += b.data[:, None, None]
        parents.append((b, lambda g: g.sum(axis=(0, 2, 3))))
    return record("conv_transpose2d", y, *parents)


def _sizes(x: Tensor, window: Window, extra: Pair) -> Pair:
    found = [
        (size - 1) * s - 2 * p + d * (k - 1) + more + 1
        for size, k, s, p, d, more in zip(
            x.shape[2:],
            window.kernel,
            window.stride,
            window.padding,
            window.dilation,
            extra,
            strict=True,
        )
    ]
    if min(found) < 1:
        raise ValueError(
            f"conv_transpose2d: an image of {x.shape[2:]} leaves nothing with padding "
            f"{window.padding}: the result would be {tuple(found)}"
        )
    return found[0], found[1]


def _check_output_padding(where: str, value: Any, stride: Pair, dilation: Pair) -> Pair:
    pair = as_pair(where, "output_padding", value, 0)
    limits = [max(s, d) for s, d in zip(stride, dilation, strict=True)]
    if pair[0] >= limits[0] or pair[1] >= limits[1]:
        raise ValueError(
            f"{where}: output_padding must be smaller than the stride {stride} or the "
            f"dilation {dilation}, got {value!r}"
        )
    return pair
