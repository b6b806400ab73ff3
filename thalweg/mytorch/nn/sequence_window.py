"""Convolution and pooling along one axis: sequences are images of one row.

x is (N, C, L); see Conv2d, MaxPool2d and AvgPool2d for what the settings mean.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from thalweg.mytorch.checks import check_default
from thalweg.mytorch.nn.conv import Convolving, conv2d
from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.nn.pooling import WHOLE_WINDOWS, avg_pool2d, max_pool2d
from thalweg.mytorch.nn.window import Pair, as_one, checked
from thalweg.mytorch.tensor import Tensor, as_tensor

__all__ = ["AvgPool1d", "Conv1d", "MaxPool1d", "avg_pool1d", "conv1d", "max_pool1d"]


class Conv1d(Convolving):
    """A small weighted window over a sequence: (N, in_channels, L) becomes (N, out_channels, L').

        L' = (L + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1

    `weight` is (out, in / groups, kernel_size); it and `bias` (out,) start as Conv2d's.

    Differs: padding is a number, not "same", and always of zeros.
    """

    _read = staticmethod(as_one)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] = 1,
        padding: int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        window = kernel_size, stride, padding, dilation
        super().__init__(in_channels, out_channels, window, groups, bias, dtype)

    def _weight_shape(self) -> tuple[int, ...]:
        return self.out_channels, self.in_channels // self.groups, self.kernel_size

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return conv1d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


class _Pool(Module):
    def __init__(
        self,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] | None,
        padding: int | tuple[int],
        dilation: int | tuple[int],
    ) -> None:
        given = kernel_size, kernel_size if stride is None else stride, padding, dilation
        settings = checked(type(self).__name__, as_one, *given)
        self.kernel_size, self.stride, self.padding, self.dilation = settings

    def describe(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool1d(_Pool):
    """The largest value of each window of a sequence. See MaxPool2d."""

    def __init__(
        self,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] | None = None,
        padding: int | tuple[int] = 0,
        dilation: int | tuple[int] = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation)
        check_default("MaxPool1d", "ceil_mode", ceil_mode, False, WHOLE_WINDOWS)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return max_pool1d(x, self.kernel_size, self.stride, self.padding, self.dilation)


class AvgPool1d(_Pool):
    """The mean of each window of a sequence. See AvgPool2d."""

    def __init__(
        self,
        kernel_size: int | tuple[int],
        stride: int | tuple[int] | None = None,
        padding: int | tuple[int] = 0,
        ceil_mode: bool = False,
        *,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, 1)
        check_default("AvgPool1d", "ceil_mode", ceil_mode, False, WHOLE_WINDOWS)
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return avg_pool1d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            count_include_pad=self.count_include_pad,
        )


def conv1d(
    input: Tensor | ArrayLike,
    weight: Tensor | ArrayLike,
    bias: Tensor | ArrayLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve (N, C, L) with `weight` (out, C / groups, k)."""
    x, w = as_tensor(input), as_tensor(weight)
    if x.ndim != 3 or w.ndim != 3 or x.shape[1] != w.shape[1] * groups or len(w) % groups:
        raise ValueError(
            f"conv1d: input {x.shape} and weight {w.shape} do not fit: they must be (N, C, L) and "
            f"(out, C / groups, k) with groups={groups}"
        )
    _, stride, padding, dilation = _of_one_row("conv1d", w.shape[2], stride, padding, dilation)
    y = conv2d(_as_image(x), _as_image(w), bias, stride, padding, dilation, groups)
    return _as_sequence(y)


def max_pool1d(
    input: Tensor | ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
) -> Tensor:
    x = _sequence("max_pool1d", input)
    window = _of_one_row("max_pool1d", kernel_size, stride, padding, dilation)
    return _as_sequence(max_pool2d(_as_image(x), *window))


def avg_pool1d(
    input: Tensor | ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    *,
    count_include_pad: bool = True,
) -> Tensor:
    x = _sequence("avg_pool1d", input)
    *window, _ = _of_one_row("avg_pool1d", kernel_size, stride, padding, 1)
    y = avg_pool2d(_as_image(x), *window, count_include_pad=count_include_pad)
    return _as_sequence(y)


def _sequence(where: str, input: Tensor | ArrayLike) -> Tensor:
    x = as_tensor(input)
    if x.ndim != 3:
        raise ValueError(f"{where}: input must be (N, C, L), got {x.shape}")
    return x


def _of_one_row(where: str, kernel: Any, stride: Any, padding: Any, dilation: Any) -> list[Pair]:
    """A window along a sequence, as that of an image."""
    given = kernel, kernel if stride is None else stride, padding, dilation
    return list(zip((1, 1, 0, 1), checked(where, as_one, *given), strict=True))


def _as_image(x: Tensor) -> Tensor:
    return x.reshape(*x.shape[:2], 1, x.shape[2])


def _as_sequence(y: Tensor) -> Tensor:
    return y.reshape(*y.shape[:2], math.prod(y.shape[2:]))
