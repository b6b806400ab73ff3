"""The same tensor in another type. There is one place for it to be: the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.mytorch.checks import check_device
from thalweg.mytorch.graph import FLOATS, Recorded, as_tensor, record_linear

if TYPE_CHECKING:
    from thalweg.mytorch.tensor import Tensor

__all__ = ["bool", "cpu", "cuda", "double", "float", "int", "long", "to"]

_KINDS = "float32, float64, bool or a type of integers"


def to(input: Any, target: Any = None, *, dtype: Any = None, device: Any = None) -> Tensor:
    """`x.to(np.float64)`, `x.to("float64")`, `x.to("cpu")`; the tensor itself if nothing changes.

    Gradients go back through it between floats.
    """
    x = as_tensor(input)
    if isinstance(target, Recorded):
        target = target.data.dtype
    if isinstance(target, str) and not _is_type(target):
        device, target = target, None
    check_device("Tensor.to", device)
    wanted = dtype if target is None else target
    return x if wanted is None else _cast(x, wanted)


def _is_type(name: str) -> Any:
    try:
        return np.dtype(name)
    except TypeError:
        return None


def _cast(x: Tensor, wanted: Any) -> Tensor:
    try:
        kind = np.dtype(wanted)
    except TypeError:
        raise TypeError(f"Tensor.to: dtype must be {_KINDS}, got {wanted!r}") from None
    if kind not in FLOATS and kind.kind not in "biu":
        raise TypeError(f"Tensor.to: dtype must be {_KINDS}, got {kind}")
    if kind == x.dtype:
        return x
    data = x.data.astype(kind)
    if kind not in FLOATS:
        return as_tensor(data)
    return record_linear("to", data, (x, lambda g: g.astype(x.dtype)))


def cpu(input: Any) -> Tensor:
    """The tensor itself: it is there already."""
    return as_tensor(input)


def cuda(input: Any, device: Any = None) -> Tensor:
    return to(input, device="cuda" if device is None else f"cuda:{device}")


def float(input: Any) -> Tensor:
    """In float32."""
    return to(input, np.float32)


def double(input: Any) -> Tensor:
    """In float64."""
    return to(input, np.float64)


def long(input: Any) -> Tensor:
    """In int64."""
    return to(input, np.int64)


def int(input: Any) -> Tensor:
    """In int32."""
    return to(input, np.int32)


def bool(input: Any) -> Tensor:
    """Whether each element is not 0."""
    return to(input, np.bool_)
