"""Tensors made of nothing: constants, numbers in a row, random ones.

Sizes are given as `zeros(2, 3)` or `zeros((2, 3))`. Floats are float32 unless `dtype` says
otherwise. `device` may be given, as in torch; there is none but the CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from thalweg.mytorch.checks import check_device
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


def tensor(
    data: Any, *, dtype: DTypeLike | None = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """A tensor of a copy of these numbers; `Tensor` itself shares an array's memory."""
    numbers = _numbers(data)
    return _wanting("tensor", np.array(numbers, dtype or numbers.dtype), requires_grad, device)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the memory of an array."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: there must be an array, got {type(array).__name__}")
    return as_tensor(array)


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: DTypeLike | None = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """The same number everywhere; without `dtype`, of its own type."""
    sizes = _sizes("full", size if isinstance(size, tuple | list) else (size,))
    value = _numbers(fill_value)
    return _wanting("full", np.full(sizes, value, dtype or value.dtype), requires_grad, device)


def zeros(
    *size: Any, dtype: DTypeLike = np.float32, requires_grad: bool = False, device: Any = None
) -> Tensor:
    return _wanting("zeros", np.zeros(_sizes("zeros", size), dtype), requires_grad, device)


def ones(
    *size: Any, dtype: DTypeLike = np.float32, requires_grad: bool = False, device: Any = None
) -> Tensor:
    return _wanting("ones", np.ones(_sizes("ones", size), dtype), requires_grad, device)


def empty(
    *size: Any, dtype: DTypeLike = np.float32, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Whatever was in memory: to be written into."""
    return _wanting("empty", np.empty(_sizes("empty", size), dtype), requires_grad, device)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: DTypeLike = np.float32,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere."""
    rows, columns = _sizes("eye", (n, n if m is None else m))
    return _wanting("eye", np.eye(rows, columns).astype(dtype), requires_grad, device)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: DTypeLike | None = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """From start to before end: int64 if all are whole numbers, float32 otherwise."""
    first, last = (0, start) if end is None else (start, end)
    numbers = (first, last, step)
    if step == 0 or (last - first) / step < 0:
        raise ValueError(f"arange: step must lead from {first} to {last}, got {step}")
    is_whole = all(isinstance(number, int | np.integer) for number in numbers)
    kind = dtype or (np.int64 if is_whole else np.float32)
    values: np.ndarray = np.arange(first, last, step)
    return _wanting("arange", values.astype(kind), requires_grad, device)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: DTypeLike = np.float32,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """So many numbers from start to end, both included."""
    (count,) = _sizes("linspace", (steps,))
    return _wanting("linspace", np.linspace(start, end, count).astype(dtype), requires_grad, device)


def rand(
    *size: Any, dtype: DTypeLike = np.float32, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Uniform from 0 to below 1."""
    sizes = _sizes("rand", size)
    return _wanting("rand", generator().random(sizes, _float("rand", dtype)), requires_grad, device)


def randn(
    *size: Any, dtype: DTypeLike = np.float32, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """Normally distributed, of mean 0 and variance 1."""
    sizes = _sizes("randn", size)
    return _wanting(
        "randn", generator().standard_normal(sizes, _float("randn", dtype)), requires_grad, device
    )


def randint(
    low: int, high: Any, size: Any = None, *, dtype: DTypeLike = np.int64, device: Any = None
) -> Tensor:
    """Whole numbers from low to below high: `randint(0, 10, (3,))`, or `randint(10, (3,))`."""
    if size is None:
        low, high, size = 0, low, high
    if not isinstance(size, tuple | list):
        raise TypeError(f"randint: size must be a tuple, such as (3,), got {size!r}")
    if not low < high:
        raise ValueError(f"randint: high must be above low, got {low} and {high}")
    drawn = generator().integers(low, high, _sizes("randint", size))
    return _wanting("randint", drawn.astype(dtype), False, device)


def randperm(n: int, *, device: Any = None) -> Tensor:
    """The numbers from 0 to n - 1 in random order."""
    (count,) = _sizes("randperm", (n,))
    return _wanting("randperm", generator().permutation(count), False, device)


def zeros_like(
    input: Any, *, dtype: DTypeLike | None = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    return full_like(input, 0, dtype=dtype, requires_grad=requires_grad, device=device)


def ones_like(
    input: Any, *, dtype: DTypeLike | None = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    return full_like(input, 1, dtype=dtype, requires_grad=requires_grad, device=device)


def full_like(
    input: Any,
    fill_value: Any,
    *,
    dtype: DTypeLike | None = None,
    requires_grad: bool = False,
    device: Any = None,
) -> Tensor:
    """The same number everywhere, in another's shape and type."""
    x = as_tensor(input)
    return full(
        x.shape, fill_value, dtype=dtype or x.dtype, requires_grad=requires_grad, device=device
    )


def rand_like(
    input: Any, *, dtype: DTypeLike | None = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    x = as_tensor(input)
    return rand(x.shape, dtype=dtype or x.dtype, requires_grad=requires_grad, device=device)


def randn_like(
    input: Any, *, dtype: DTypeLike | None = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    x = as_tensor(input)
    return randn(x.shape, dtype=dtype or x.dtype, requires_grad=requires_grad, device=device)


def _numbers(data: Any) -> np.ndarray:
    """The array of what is given; what has come out of an op raises, since it would be cut off."""
    return np.asarray(as_tensor(data))


def _wanting(op: str, array: np.ndarray, requires_grad: bool, device: Any) -> Tensor:
    check_device(op, device)
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
