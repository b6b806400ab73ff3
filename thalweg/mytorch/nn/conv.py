"""Convolution of images, as matrix products over the columns that a window sees.

    y[n, o] = sum over c, i, j of  weight[o, c, i, j] x[n, c, at row i, at column j] + bias[o]

Inside, the batch is the last axis of memory: (C, H, W, N). Then all that a kernel's tap sees is
one long run for each channel and row, and copying columns, adding them up again and pooling go at
the speed of memory. Results are handed out as (N, C, H, W) views of that.

Columns are many times larger than the image, so they are made for a tile at a time: some rows of
the outputs, or of a part of the batch if one row is too much.
"""

import math
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import ArrayLike, DTypeLike

from thalweg.mytorch.blas import product
from thalweg.mytorch.checks import check_floats, check_groups, check_positive
from thalweg.mytorch.nn import init
from thalweg.mytorch.nn.module import Module, Parameter
from thalweg.mytorch.nn.window import Pair, Window, as_pair, checked
from thalweg.mytorch.tensor import Tensor, as_tensor, record

__all__ = ["Conv2d", "Convolution", "Convolving", "conv2d"]

# The columns of one tile, in bytes: more does not stay in the cache.
TILE = 4 << 20


class Convolving(Module):
    """What the layers that convolve share: channels in groups, a window, `weight` and `bias`."""

    _read: Callable[[str, str, Any, int], Any] = staticmethod(as_pair)
    _shown: tuple[str, ...] = ("kernel_size", "stride", "padding", "dilation", "groups")

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        window: tuple[Any, Any, Any, Any],
        groups: int,
        bias: bool,
        dtype: DTypeLike,
    ) -> None:
        title = type(self).__name__
        self.in_channels = check_positive(title, "in_channels", in_channels)
        self.out_channels = check_positive(title, "out_channels", out_channels)
        self.groups = check_groups(title, groups, in_channels, out_channels)
        settings = checked(title, self._read, *window)
        self.kernel_size, self.stride, self.padding, self.dilation = settings
        self.weight = Parameter(np.empty(self._weight_shape(), dtype))
        self.bias = Parameter(np.empty(out_channels, dtype)) if bias else None
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        return self.out_channels, self.in_channels // self.groups, *self.kernel_size

    def reset_parameters(self) -> None:
        """Draw both anew, uniform within 1 / sqrt(fan in): all axes of the weight but the first."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -bound, bound)

    def describe(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)}" for name in self._shown)
        return f"{self.in_channels}, {self.out_channels}, {shown}, bias={self.bias is not None}"


class Conv2d(Convolving):
    """A small weighted window over an image, the same at every place.

    x: (N, in_channels, H, W), y: (N, out_channels, H', W'), with

        H' = (H + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1

    kernel_size, stride, padding and dilation are one number or two. With groups, channels are
    split and each part sees its own inputs only. `weight` (out, in / groups, kh, kw) and `bias`
    (out,) start uniform within 1 / sqrt(in / groups kh kw).

    Differs: padding is numbers, not "same", and always of zeros.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        window = kernel_size, stride, padding, dilation
        super().__init__(in_channels, out_channels, window, groups, bias, dtype)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return conv2d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


def conv2d(
    input: Tensor | ArrayLike,
    weight: Tensor | ArrayLike,
    bias: Tensor | ArrayLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve (N, C, H, W) with `weight` (out, C / groups, kh, kw)."""
    x, w = as_tensor(input), as_tensor(weight)
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[1] * groups or len(w) % groups:
        raise ValueError(
            f"conv2d: input {x.shape} and weight {w.shape} do not fit: they must be (N, C, H, W) "
            f"and (out, C / groups, kh, kw) with groups={groups}"
        )
    check_floats("conv2d", input=x, weight=w)
    window = Window.of("conv2d", w.shape[2:], stride, padding, dilation)
    convolution = Convolution(x.data, w.data, window, groups)
    y = convolution.forward()
    parents = [(x, convolution.gradient_of_x), (w, convolution.gradient_of_weight)]
    if bias is not None:
        b = as_tensor(bias)
        if b.shape != (len(w),):
            raise ValueError(f"conv2d: bias must have shape ({len(w)},), got {b.shape}")
        check_floats("conv2d", input=x, bias=b)
        y += b.data[:, None, None]
        parents.append((b, lambda g: g.sum(axis=(0, 2, 3))))
    return record("conv2d", y, *parents)


class _Scratch(threading.local):
    """Memory kept from tile to tile and from call to call: what is new pays for its pages first."""

    def take(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """An array of anything, which is the caller's until the next one of this name is taken."""
        size = math.prod(shape) * dtype.itemsize
        memory = vars(self).get(name)
        if memory is None or memory.nbytes < size:
            memory = vars(self)[name] = np.empty(size, np.uint8)
        return memory[:size].view(dtype).reshape(shape)


_scratch = _Scratch()


class _Tile(NamedTuple):
    """Some rows of the outputs of some of the images."""

    rows: slice
    images: slice


class Convolution:
    """One forward pass and, for each gradient, one backward pass, tile by tile.

    `places` says how many outputs there are along each axis where not all that fit are meant.
    """

    def __init__(
        self,
        x: np.ndarray,
        weight: np.ndarray,
        window: Window,
        groups: int,
        places: Pair | None = None,
    ) -> None:
        self.x, self.window, self.groups = x.transpose(1, 2, 3, 0), window, groups
        self.weight = weight.reshape(groups, len(weight) // groups, -1)
        self.weight_shape = weight.shape
        self.out_rows, self.out_columns = places or window.places("conv2d", *x.shape[2:])

    def forward(self) -> np.ndarray:
        images, out = self.x.shape[-1], self.weight_shape[0]
        y = np.empty((out, self.out_rows, self.out_columns, images), self.x.dtype)
        for tile in self.tiles():
            columns = self.columns(tile)
            found = _scratch.take("product", (*self.weight.shape[:2], columns.shape[2]), y.dtype)
            part = y[:, tile.rows, :, tile.images]
            part[...] = product(self.weight, columns, out=found).reshape(part.shape)
        result: np.ndarray = y.transpose(3, 0, 1, 2)
        return result

    def gradient_of_weight(self, g: np.ndarray) -> np.ndarray:
        total = np.zeros_like(self.weight)
        for tile in self.tiles():
            # BLAS takes half the time for this order of the two, many rows by few
            part = product(self.columns(tile), self.part_of(g, tile).swapaxes(1, 2))
            total += part.swapaxes(1, 2)
        return total.reshape(self.weight_shape)

    def gradient_of_x(self, g: np.ndarray) -> np.ndarray:
        gx = np.zeros(self.x.shape, self.x.dtype)
        for tile in self.tiles():
            part = self.part_of(g, tile)
            shape = (self.groups, self.weight.shape[2], part.shape[2])
            columns = _scratch.take("columns", shape, gx.dtype)
            product(self.weight.swapaxes(1, 2), part, out=columns)
            self.add_columns(columns, gx, tile)
        gradient: np.ndarray = gx.transpose(3, 0, 1, 2)
        return gradient

    def tiles(self) -> Iterator[_Tile]:
        """What covers the outputs, so that little more than TILE is copied for each."""
        channels, _, width, images = self.x.shape
        across = width + 2 * self.window.padding[1]
        deep = max(self.weight.shape[1:]) * self.groups * self.out_columns
        first, last = self.window.inputs(0, 0, 1)
        item = self.x.dtype.itemsize
        one_row = item * max(deep, channels * across * (last - first))
        one_more = item * max(deep, channels * across * self.window.stride[0])
        some = max(1, min(images, TILE // one_row))
        rows = max(1, TILE // (one_more * some))
        for image in range(0, images, some):
            for row in range(0, self.out_rows, rows):
                end = min(row + rows, self.out_rows)
                yield _Tile(slice(row, end), slice(image, min(image + some, images)))

    def columns(self, tile: _Tile) -> np.ndarray:
        """(groups, C / groups kh kw, rows columns images): what each output of a tile sees."""
        band = self.band(tile)
        (kh, kw), (sh, sw), (dh, dw) = self.window.kernel, self.window.stride, self.window.dilation
        rows = tile.rows.stop - tile.rows.start
        channel, down, right, image = band.strides
        seen = as_strided(
            band,
            (len(band), kh, kw, rows, self.out_columns, band.shape[-1]),
            (channel, down * dh, right * dw, down * sh, right * sw, image),
            writeable=False,
        )
        columns = _scratch.take("columns", seen.shape, seen.dtype)
        np.copyto(columns, seen)
        return columns.reshape(self.groups, self.weight.shape[-1], -1)

    def band(self, tile: _Tile) -> np.ndarray:
        """The rows of the images that a tile sees, padded, with the batch in one run of memory."""
        channels, height, width, _ = self.x.shape
        top, bottom = self.window.inputs(0, tile.rows.start, tile.rows.stop)
        left, right = self.window.inputs(1, 0, self.out_columns)
        seen = self.x[:, max(top, 0) : max(bottom, 0), :, tile.images]
        padded = top < 0 or bottom > height or left < 0 or right > width
        if not padded:
            in_runs = seen.strides[-1] == seen.itemsize or seen.shape[-1] == 1
            return seen if in_runs else np.ascontiguousarray(seen)
        band = np.zeros((channels, bottom - top, right - left, seen.shape[-1]), seen.dtype)
        inner = band[:, max(-top, 0) :, max(-left, 0) :]
        inner[:, : seen.shape[1], :width] = seen[:, :, : inner.shape[2]]
        return band

    def add_columns(self, columns: np.ndarray, gx: np.ndarray, tile: _Tile) -> None:
        """The reverse of `columns`: add what each output gives back to where it saw it."""
        channels, height, width, _ = gx.shape
        kh, kw = self.window.kernel
        rows = tile.rows.stop - tile.rows.start
        parts = columns.reshape(channels, kh, kw, rows, self.out_columns, -1)
        part_of_gx = gx[..., tile.images]
        for i in range(kh):
            down, above = self.window.overlap(0, i, height, tile.rows.start, tile.rows.stop)
            for j in range(kw):
                right, beside = self.window.overlap(1, j, width, 0, self.out_columns)
                part_of_gx[:, above, beside] += parts[:, i, j, down, right]

    def part_of(self, g: np.ndarray, tile: _Tile) -> np.ndarray:
        """(groups, out / groups, rows columns images): a tile of the gradient of the result."""
        part = g.transpose(1, 2, 3, 0)[:, tile.rows, :, tile.images]
        gradient: np.ndarray = part.reshape(self.groups, self.weight.shape[1], -1)
        return gradient
