"""Targets drawn from a model's own predictions, for rules that learn a curvature from them.

Sophia squares the gradient of the loss on such targets, which on average is the diagonal of the
Gauss-Newton matrix (Liu et al. 2023, arXiv:2305.14342, section 2.3). A loss must say which
distribution it is the likelihood of: cross-entropy of classes, the squared error of a normal one
whose variance is 1/2, and that of yes or no are known; another loss may have a function
`sampled(output)` that draws its targets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.lab.errors import UserError
from thalweg.lab.tasks.task import Task
from thalweg.optimizers import OPTIMIZERS

__all__ = ["draw_of", "own_settings"]

Draw = Callable[[NDArray[Any], np.random.Generator], NDArray[Any]]


def draw_of(loss: Any) -> Draw:
    """How targets of a loss are drawn from the outputs of a model; raises UserError if unknown."""
    names = [getattr(loss, "__name__", ""), *(base.__name__ for base in type(loss).__mro__)]
    found = next((_DRAWS[name] for name in names if name in _DRAWS), None)
    if found is None:
        said = names[0] or type(loss).__name__
        raise UserError(
            f"targets drawn from the model's predictions are asked for, and {said} does not say "
            f"how: give it a function `sampled(output)`, or take one of {', '.join(_SHOWN)}"
        )
    return found


def own_settings(name: str, given: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """What a task itself says to an optimizer: to one that draws targets, how many a batch has."""
    made = OPTIMIZERS.get(name)
    draws = made is not None and any(one.of == "sampled" for one in made.requests.values())
    if made is None or not draws or "batch_size" not in made.settings or "batch_size" in given:
        return {}
    batch = next(iter(task.start(0).train), None)  # of material that nobody trains with
    if batch is None:
        return {}
    target = batch[-1]
    count = math.prod(getattr(target, "shape", None) or (len(target),))
    return {"batch_size": int(count)}


def _classes(output: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
    """A class for each row of scores; the classes are the second axis, as torch has it."""
    axis = min(1, output.ndim - 1)
    scores = np.moveaxis(output.astype(float), axis, -1)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True)).cumsum(axis=-1)
    at = random.random(shares.shape[:-1])[..., None] * shares[..., -1:]
    drawn = np.minimum((shares < at).sum(axis=-1), shares.shape[-1] - 1)  # rounding, and NaN
    return np.asarray(drawn)


def _quantities(output: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
    noise = random.normal(0, math.sqrt(0.5), output.shape)
    return np.asarray(output + noise, output.dtype)


def _yes_or_no(output: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
    yes = 1 / (1 + np.exp(-output.astype(float)))
    return np.asarray(random.random(output.shape) < yes, output.dtype)


_SHOWN = ("CrossEntropyLoss", "MSELoss", "BCEWithLogitsLoss")
_DRAWS: Mapping[str, Draw] = {
    **dict(zip(_SHOWN, (_classes, _quantities, _yes_or_no), strict=True)),
    "cross_entropy": _classes,
    "mse_loss": _quantities,
    "binary_cross_entropy_with_logits": _yes_or_no,
}
