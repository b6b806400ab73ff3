"""What a number is, for every setting and every hyper-parameter, whichever library made it.

Python's numbers, NumPy's scalars and arrays without axes, and tensors of one element are numbers. A
framework's tensor is known by having `fill_`.
"""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

__all__ = ["as_float", "is_number", "is_schedulable", "is_tensor", "plain"]

# A Python float comes first everywhere: nearly every number is one, and a scheduler asks at every
# step of a training.
_NUMPYS = (np.ndarray, np.generic)


def is_tensor(value: Any) -> bool:
    """Whether a value is some framework's tensor, which is changed in place."""
    return type(value) is not float and hasattr(value, "fill_")


def is_number(value: Any) -> bool:
    """Whether a value is one real number; a truth value is none."""
    if type(value) is float:
        return True
    if is_tensor(value):
        return _has_one(value.shape) and _is_real(str(value.dtype))
    if isinstance(value, _NUMPYS):
        return value.ndim == 0 and value.dtype.kind in "iuf"
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def is_schedulable(value: Any) -> bool:
    """Whether a number can take any value: a tensor of integers would cut each to a whole one."""
    if type(value) is float:
        return True
    return is_number(value) and not (is_tensor(value) and "float" not in str(value.dtype))


def plain(value: Any) -> Any:
    """A number of NumPy's as Python's; any other as it is, a tensor too: somebody may hold it."""
    if type(value) is float or not isinstance(value, _NUMPYS) or value.ndim:
        return value
    return value.item()


def as_float(value: Any) -> float:
    """One number as a double. TypeError for what is none, OverflowError for what no double holds.

    A truth value counts as 0 or 1 here: torch's constructors take it.
    """
    if type(value) is float:
        return value
    if isinstance(value, (str, bytes, bytearray)):
        raise TypeError("text is no number")
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("an array with axes is no number")
    bare = value.detach() if hasattr(value, "detach") else plain(value)
    try:
        return float(bare)
    except (ValueError, RuntimeError):
        raise TypeError(f"{type(value).__name__} is no number") from None


def _is_real(dtype: str) -> bool:
    return "bool" not in dtype and "complex" not in dtype


def _has_one(shape: Any) -> bool:
    return all(length == 1 for length in shape)
