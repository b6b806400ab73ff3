"""Images made smaller: of each window the largest value, or the mean."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from thalweg.mytorch.checks import check_default, check_floats
from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.nn.window import Pair, Window
from thalweg.mytorch.tensor import Tensor, as_tensor, record

__all__ = ["WHOLE_WINDOWS", "AvgPool2d", "MaxPool2d", "avg_pool2d", "max_pool2d"]

WHOLE_WINDOWS = "no window reaches beyond the input and its padding"


class _Pool(Module):
    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None,
        padding: int | tuple[int, int],
        dilation: int | tuple[int, int],
    ) -> None:
        window = _window(type(self).__name__, kernel_size, stride, padding, dilation)
        self.kernel_size, self.stride = window.kernel, window.stride
        self.padding, self.dilation = window.padding, window.dilation

    def describe(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(_Pool):
    """The largest value of each window: keeps what was found and forgets where exactly.

    x is (N, C, H, W); stride is kernel_size unless given. Padding is below every value. Of equal
    values the first one gets the gradient.

    Differs: no ceil_mode but False, no return_indices.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation)
        check_default("MaxPool2d", "ceil_mode", ceil_mode, False, WHOLE_WINDOWS)

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return max_pool2d(x, self.kernel_size, self.stride, self.padding, self.dilation)


class AvgPool2d(_Pool):
    """The mean of each window: x is (N, C, H, W); stride is kernel_size unless given.

    Padding counts as zeros, or not at all without `count_include_pad`.

    Differs: no ceil_mode but False, no divisor_override.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
        ceil_mode: bool = False,
        *,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, 1)
        check_default("AvgPool2d", "ceil_mode", ceil_mode, False, WHOLE_WINDOWS)
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor | ArrayLike) -> Tensor:
        return avg_pool2d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            count_include_pad=self.count_include_pad,
        )


def max_pool2d(
    input: Tensor | ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
) -> Tensor:
    x = as_tensor(input)
    check_floats("max_pool2d", input=x)
    window = _window("max_pool2d", kernel_size, stride, padding, dilation)
    taps = _Taps("max_pool2d", x.data, window)
    y = taps.new_output(-np.inf)
    for outputs, inputs in taps:
        part = y[outputs]
        np.maximum(part, x.data[inputs], out=part)

    def pull(g: np.ndarray) -> np.ndarray:
        gx = np.zeros_like(x.data)
        free = np.ones_like(y, bool)  # outputs whose maximum has not been met yet
        for outputs, inputs in taps:
            found = (x.data[inputs] == y[outputs]) & free[outputs]
            gx[inputs] += g[outputs] * found
            free[outputs] &= ~found
        return gx

    return record("max_pool2d", y, (x, pull))


def avg_pool2d(
    input: Tensor | ArrayLike,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    *,
    count_include_pad: bool = True,
) -> Tensor:
    x = as_tensor(input)
    check_floats("avg_pool2d", input=x)
    window = _window("avg_pool2d", kernel_size, stride, padding, 1)
    taps = _Taps("avg_pool2d", x.data, window)
    y = taps.new_output(0)
    for outputs, inputs in taps:
        y[outputs] += x.data[inputs]
    share = 1 / taps.counts(count_include_pad).astype(x.dtype)
    y *= share

    def pull(g: np.ndarray) -> np.ndarray:
        parts = g * share
        gx = np.zeros_like(x.data)
        for outputs, inputs in taps:
            gx[inputs] += parts[outputs]
        return gx

    return record("avg_pool2d", y, (x, pull))


class _Taps:
    """The places of a kernel, one after another: which outputs see which inputs through each."""

    def __init__(self, where: str, x: np.ndarray, window: Window) -> None:
        if x.ndim != 4:
            raise ValueError(f"{where}: input must be (N, C, H, W), got {x.shape}")
        self.x, self.window = x, window
        self.places: Pair = window.places(where, *x.shape[2:])
        height, width = x.shape[2:]
        down = [window.overlap(0, i, height, 0, self.places[0]) for i in range(window.kernel[0])]
        right = [window.overlap(1, j, width, 0, self.places[1]) for j in range(window.kernel[1])]
        self._pairs = [
            ((..., rows, columns), (..., above, beside))
            for rows, above in down
            for columns, beside in right
        ]

    def __iter__(self) -> Any:
        return iter(self._pairs)

    def new_output(self, value: float) -> np.ndarray:
        """Laid out in memory as the input is."""
        like = self.x[:, :, : self.places[0], : self.places[1]]
        return np.full_like(like, value, shape=(*self.x.shape[:2], *self.places))

    def counts(self, with_padding: bool) -> np.ndarray:
        """How many values each window has."""
        if with_padding:
            return np.full(self.places, self.window.kernel[0] * self.window.kernel[1])
        counts = np.zeros(self.places, int)
        for outputs, _ in self._pairs:
            counts[outputs] += 1
        return counts


def _window(where: str, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Window:
    window = Window.of(where, kernel, kernel if stride is None else stride, padding, dilation)
    if any(2 * p > k for p, k in zip(window.padding, window.kernel, strict=True)):
        raise ValueError(
            f"{where}: padding must be at most half of kernel_size {window.kernel}, "
            f"got {window.padding}"
        )
    return window
