"""Tensors made of nothing: constants, numbers in a row, random ones.

Sizes are given as `zeros(2, 3)` or `zeros((2, 3))`. Floats are float32 unless `dtype` says
otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from thalweg.mytorch.graph import FLOATS, as_tensor
from thalweg.mytorch.random import generator
from thalweg.mytorch.shapes import sizes_of

if TYPE_CHECKING:
    from thalweg.mytorch.tensor import Tensor

__all__ = [
    "arange",
    "empty",
    "eye",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "tensor",
    "zeros",
    "zeros_like",
]


def tensor(data: Any, *, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor of a copy of these numbers; `Tensor` itself shares an array's memory."""
    numbers = _numbers(data)
    return _wanting(np.array(numbers, dtype or numbers.dtype), requires_grad)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the memory of an array."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: there must be an array, got {type(array).__name__}")
    return as_tensor(array)


def full(
    size: Any, fill_value: Any, *, dtype: DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    """The same number everywhere; without `dtype`, of its own type."""
    sizes = _sizes("full", size if isinstance(size, tuple | list) else (size,))
    value = _numbers(fill_value)
    return _wanting(np.full(sizes, value, dtype or value.dtype), requires_grad)


def zeros(*size: Any, dtype: DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    return _wanting(np.zeros(_sizes("zeros", size), dtype), requires_grad)


def ones(*size: Any, dtype: DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    return _wanting(np.ones(_sizes("ones", size), dtype), requires_grad)


def empty(*size: Any, dtype: DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Whatever was in memory: to be written into."""
    return _wanting(np.empty(_sizes("empty", size), dtype), requires_grad)


def eye(
    n: int, m: int | None = None, *, dtype: DTypeLike = np.float32, requires_grad: bool = False
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere."""
    rows, columns = _sizes("eye", (n, n if m is None else m))
    return _wanting(np.eye(rows, columns).astype(dtype), requires_grad)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """From start to before end: int64 if all are whole numbers, float32 otherwise."""
    first, last = (0, start) if end is None else (start, end)
    numbers = (first, last, step)
    if step == 0 or (last - first) / step < 0:
        raise ValueError(f"arange: step must lead from {first} to {last}, got {step}")
    is_whole = all(isinstance(number, int | np.integer) for number in numbers)
    kind = dtype or (np.int64 if is_whole else np.float32)
    values: np.ndarray = np.arange(first, last, step)
    return _wanting(values.astype(kind), requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: DTypeLike = np.float32,
    requires_grad: bool = False,
) -> Tensor:
    """So many numbers from start to end, both included."""
    (count,) = _sizes("linspace", (steps,))
    return _wanting(np.linspace(start, end, count).astype(dtype), requires_grad)


def rand(*size: Any, dtype: DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Uniform from 0 to below 1."""
    sizes = _sizes("rand", size)
    return _wanting(generator().random(sizes, _float("rand", dtype)), requires_grad)


def randn(*size: Any, dtype: DTypeLike = np.float32, requires_grad: bool = False) -> Tensor:
    """Normally distributed, of mean 0 and variance 1."""
    sizes = _sizes("randn", size)
    return _wanting(generator().standard_normal(sizes, _float("randn", dtype)), requires_grad)


def randint(low: int, high: Any, size: Any = None, *, dtype: DTypeLike = np.int64) -> Tensor:
    """Whole numbers from low to below high: `randint(0, 10, (3,))`, or `randint(10, (3,))`."""
    if size is None:
        low, high, size = 0, low, high
    if not isinstance(size, tuple | list):
        raise TypeError(f"randint: size must be a tuple, such as (3,), got {size!r}")
    if not low < high:
        raise ValueError(f"randint: high must be above low, got {low} and {high}")
    drawn = generator().integers(low, high, _sizes("randint", size))
    return as_tensor(drawn.astype(dtype))


def randperm(n: int) -> Tensor:
    """The numbers from 0 to n - 1 in random order."""
    (count,) = _sizes("randperm", (n,))
    return as_tensor(generator().permutation(count))


def zeros_like(
    input: Any, *, dtype: DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    return full_like(input, 0, dtype=dtype, requires_grad=requires_grad)


def ones_like(input: Any, *, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    return full_like(input, 1, dtype=dtype, requires_grad=requires_grad)


def full_like(
    input: Any, fill_value: Any, *, dtype: DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    """The same number everywhere, in another's shape and type."""
    x = as_tensor(input)
    return full(x.shape, fill_value, dtype=dtype or x.dtype, requires_grad=requires_grad)


def rand_like(input: Any, *, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    x = as_tensor(input)
    return rand(x.shape, dtype=dtype or x.dtype, requires_grad=requires_grad)


def randn_like(
    input: Any, *, dtype: DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    x = as_tensor(input)
    return randn(x.shape, dtype=dtype or x.dtype, requires_grad=requires_grad)


def _numbers(data: Any) -> np.ndarray:
    """The array of what is given; what has come out of an op raises, since it would be cut off."""
    return np.asarray(as_tensor(data))


def _wanting(array: np.ndarray, requires_grad: bool) -> Tensor:
    made = as_tensor(array)
    return made.requires_grad_() if requires_grad else made


def _sizes(op: str, given: Any) -> tuple[int, ...]:
    sizes = sizes_of(op, tuple(given))
    if any(size < 0 for size in sizes):
        raise ValueError(f"{op}: sizes must be at least 0, got {sizes}")
    return sizes


def _float(op: str, dtype: DTypeLike) -> Any:
    if np.dtype(dtype) not in FLOATS:
        raise TypeError(f"{op}: dtype must be float32 or float64, got {np.dtype(dtype)}")
    return dtype
