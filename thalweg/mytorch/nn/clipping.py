"""Gradients held within bounds, between `backward()` and `step()`."""

import math
from collections.abc import Iterable

import numpy as np

from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_", "get_total_norm"]


Parameters = Tensor | Module | Iterable[Tensor]


def clip_grad_norm_(
    parameters: Parameters,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Shorten all gradients together so that their norm is at most `max_norm`; give it as it was.

    One batch that is unlike the others then moves the weights no farther than any other: what
    recurrent networks need. `optimizer(chain("Clipped", ClipNorm, Adam))` does it within the step.
    `foreach` is torch's and means nothing here.

    Differs: the norm is computed in double, so that no gradient of float32 is too large for it.
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm must be at least 0, got {max_norm!r}")
    gradients = _gradients("clip_grad_norm_", parameters)
    total = _norm(gradients, norm_type)
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of the gradients must be finite, got {total}; to clip all "
            "the same, pass error_if_nonfinite=False"
        )
    share = max_norm / (total + 1e-6)
    if not share >= 1:  # NaN spreads, as in torch
        for gradient in gradients:
            gradient *= share
    return Tensor(np.asarray(total, gradients[0].dtype if gradients else np.float32))


def clip_grad_value_(
    parameters: Parameters, clip_value: float, foreach: bool | None = None
) -> None:
    """Hold each number of each gradient within -clip_value and clip_value."""
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_: clip_value must be at least 0, got {clip_value!r}")
    for gradient in _gradients("clip_grad_value_", parameters):
        np.clip(gradient, -clip_value, clip_value, out=gradient)


def get_total_norm(
    tensors: Iterable[Tensor | np.ndarray],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of some arrays, taken as one."""
    arrays = [one.data if isinstance(one, Tensor) else np.asarray(one) for one in tensors]
    total = _norm(arrays, norm_type)
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(f"get_total_norm: the norm must be finite, got {total}")
    return Tensor(np.asarray(total, arrays[0].dtype if arrays else np.float32))


def _gradients(where: str, parameters: Parameters) -> list[np.ndarray]:
    """Those that there are, each once."""
    if isinstance(parameters, Module):
        parameters = parameters.parameters()
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for one in given:
        if not isinstance(one, Tensor):
            raise TypeError(
                f"{where}: parameters must be a Module or its parameters, as model.parameters() "
                f"gives them, got {type(one).__name__}"
            )
    once = {one: one.grad for one in given}
    return [gradient for gradient in once.values() if gradient is not None]


def _norm(arrays: list[np.ndarray], norm_type: float) -> float:
    kind = float(norm_type)
    if not kind > 0:
        raise ValueError(f"norm_type must be above 0 or infinity, got {norm_type!r}")
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isinf(kind):
            largest = [np.abs(one).max() for one in arrays if one.size]
            return float(np.max(largest)) if largest else 0.0
        powers = [(np.abs(one.astype(np.float64)) ** kind).sum() for one in arrays]
        return float(np.sum(powers) ** (1 / kind)) if powers else 0.0
