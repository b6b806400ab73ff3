"""Convolution and pooling along one axis: sequences are images of one row.

x is (N, C, L); see Conv2d, MaxPool2d and AvgPool2d for what the settings mean.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from thalweg.mytorch.checks import check_default, check_groups, check_positive
from thalweg.mytorch.nn.conv import conv2d, draw_as_torch
from thalweg.mytorch.nn.module import Module, Parameter
from thalweg.mytorch.nn.pooling import WHOLE_WINDOWS, avg_pool2d, max_pool2d
from thalweg.mytorch.nn.window import as_one
from thalweg.mytorch.tensor import Tensor, as_tensor

__all__ = ["AvgPool1d", "Conv1d", "MaxPool1d", "avg_pool1d", "conv1d", "max_pool1d"]


class Conv1d(Module):
    """A small weighted window over a sequence: (N, in_channels, L) becomes (N, out_channels, L').

        L' = (L + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1

    `weight` is (out, in / groups, kernel_size); it and `bias` (out,) start as Conv2d's.

    Differs: padding is a number, not "same", and always of zeros.
    """

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
        self.in_channels = check_positive("Conv1d", "in_channels", in_channels)
        self.out_channels = check_positive("Conv1d", "out_channels", out_channels)
        self.groups = check_groups("Conv1d", groups, in_channels, out_channels)
        self.kernel_size = as_one("Conv1d", "kernel_size", kernel_size, 1)
        self.stride = as_one("Conv1d", "stride", stride, 1)
        self.padding = as_one("Conv1d", "padding", padding, 0)
        self.dilation = as_one("Conv1d", "dilation", dilation, 1)
        shape = (out_channels, in_channels // groups, self.kernel_size)
        self.weight = Parameter(np.empty(shape, dtype))
        self.bias = Parameter(np.empty(out_channels, dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        draw_as_torch(self.weight, self.bias)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return conv1d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def describe(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"groups={self.groups}, bias={self.bias is not None}"
        )


class MaxPool1d(Module):
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
        check_default("MaxPool1d", "ceil_mode", ceil_mode, False, WHOLE_WINDOWS)
        self.kernel_size = as_one("MaxPool1d", "kernel_size", kernel_size, 1)
        self.stride = as_one("MaxPool1d", "stride", kernel_size if stride is None else stride, 1)
        self.padding = as_one("MaxPool1d", "padding", padding, 0)
        self.dilation = as_one("MaxPool1d", "dilation", dilation, 1)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return max_pool1d(x, self.kernel_size, self.stride, self.padding, self.dilation)

    def describe(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(Module):
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
        check_default("AvgPool1d", "ceil_mode", ceil_mode, False, WHOLE_WINDOWS)
        self.kernel_size = as_one("AvgPool1d", "kernel_size", kernel_size, 1)
        self.stride = as_one("AvgPool1d", "stride", kernel_size if stride is None else stride, 1)
        self.padding = as_one("AvgPool1d", "padding", padding, 0)
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return avg_pool1d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            count_include_pad=self.count_include_pad,
        )

    def describe(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


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
    y = conv2d(
        _as_image(x),
        _as_image(w),
        bias,
        (1, as_one("conv1d", "stride", stride, 1)),
        (0, as_one("conv1d", "padding", padding, 0)),
        (1, as_one("conv1d", "dilation", dilation, 1)),
        groups,
    )
    return _as_sequence(y)


def max_pool1d(
    input: Tensor | ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
) -> Tensor:
    x = _sequence("max_pool1d", input)
    kernel = as_one("max_pool1d", "kernel_size", kernel_size, 1)
    y = max_pool2d(
        _as_image(x),
        (1, kernel),
        (1, kernel if stride is None else as_one("max_pool1d", "stride", stride, 1)),
        (0, as_one("max_pool1d", "padding", padding, 0)),
        (1, as_one("max_pool1d", "dilation", dilation, 1)),
    )
    return _as_sequence(y)


def avg_pool1d(
    input: Tensor | ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    *,
    count_include_pad: bool = True,
) -> Tensor:
    x = _sequence("avg_pool1d", input)
    kernel = as_one("avg_pool1d", "kernel_size", kernel_size, 1)
    y = avg_pool2d(
        _as_image(x),
        (1, kernel),
        (1, kernel if stride is None else as_one("avg_pool1d", "stride", stride, 1)),
        (0, as_one("avg_pool1d", "padding", padding, 0)),
        count_include_pad=count_include_pad,
    )
    return _as_sequence(y)


def _sequence(where: str, input: Tensor | ArrayLike) -> Tensor:
    x = as_tensor(input)
    if x.ndim != 3:
        raise ValueError(f"{where}: input must be (N, C, L), got {x.shape}")
    return x


def _as_image(x: Tensor) -> Tensor:
    return x.reshape(*x.shape[:2], 1, x.shape[2])


def _as_sequence(y: Tensor) -> Tensor:
    return y.reshape(*y.shape[:2], math.prod(y.shape[2:]))
