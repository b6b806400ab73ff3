"""What layers ask of the numbers and tensors that they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from thalweg.mytorch.tensor import Tensor

__all__ = [
    "check_axis",
    "check_default",
    "check_device",
    "check_floats",
    "check_groups",
    "check_labels",
    "check_positive",
    "check_reduction",
    "check_share",
]


def check_positive(where: str, name: str, value: Any) -> int:
    """A whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{where}: {name} must be a whole number of at least 1, got {value!r}")
    return int(value)


def check_share(where: str, name: str, value: Any) -> float:
    """A number from 0 to 1."""
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{where}: {name} must be a number from 0 to 1, got {value!r}")
    return value


def check_device(where: str, device: Any) -> None:
    """There is one place for a tensor to be: the CPU."""
    if device is not None and str(device).partition(":")[0] != "cpu":
        raise ValueError(
            f"{where}: mytorch computes with NumPy, on the CPU alone, got {str(device)!r}; for "
            "another device write the network in torch and take thalweg.optim"
        )


def check_floats(where: str, **tensors: Tensor) -> None:
    """All of one type, which has gradients: mixed ones would compute in double, unasked."""
    found = {tensor.data.dtype for tensor in tensors.values()}
    if len(found) == 1 and found.pop().kind == "f":  # nearly always
        return
    kinds = {name: tensor.dtype for name, tensor in tensors.items()}
    if any(kind.kind != "f" for kind in kinds.values()) or len(set(kinds.values())) > 1:
        got = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        raise TypeError(f"{where}: all must be float32 or all float64, got {got}")


def check_labels(where: str, what: str, labels: np.ndarray, count: int) -> None:
    """Whole numbers from 0 to count - 1."""
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{where}: {what} must be integers, got {labels.dtype}")
    wrong = (labels < 0) | (labels >= count)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise IndexError(
            f"{where}: {what} must lie in 0 to {count - 1}, got {labels[place]} at index "
            f"{place[0] if len(place) == 1 else place}"
        )


def check_reduction(where: str, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{where}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def check_groups(where: str, groups: Any, in_channels: int, out_channels: int) -> int:
    """How many parts a convolution's channels are split into."""
    check_positive(where, "groups", groups)
    if in_channels % groups or out_channels % groups:
        raise ValueError(
            f"{where}: groups must divide in_channels {in_channels} and out_channels "
            f"{out_channels}, got {groups}"
        )
    return int(groups)


def check_axis(where: str, x: Tensor, dim: int) -> None:
    if not -x.ndim <= dim < x.ndim:
        raise ValueError(f"{where}: shape {x.shape} has no axis {dim}")


def check_default(where: str, name: str, value: Any, default: Any, reason: str) -> None:
    """An argument of torch's that is there to be passed on, and has one value here."""
    if value is not default and value != default:
        raise ValueError(f"{where}: {name} must be {default!r}, got {value!r}: {reason}")
