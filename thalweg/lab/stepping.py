"""One step of an optimizer on a batch, with closures where its rule asks for them."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from thalweg.border.asking import AskingSteps
from thalweg.lab.errors import UserError
from thalweg.lab.frameworks import Backend
from thalweg.lab.tasks.task import Material

__all__ = ["Stepping", "Taken", "wants_closure"]

# the losses whose gradient a task can give: its own, and that on targets drawn from the model
_GIVEN = ("loss", "sampled")


class Taken(NamedTuple):
    """What came of a step: the loss before it, its seconds, and those of them within gradients."""

    loss: float
    seconds: float
    inside: float


class Stepping:
    """Takes steps of an optimizer, whatever its `step` must be told to take one.

    What a rule draws goes by the seed and the number of the step, so that it is the same in every
    framework and wherever a training is taken up. Raises UserError for a rule that asks for the
    gradient of a loss which no task has.
    """

    def __init__(self, optimizer: Any, material: Material, backend: Backend, seed: int) -> None:
        self._optimizer, self._material = optimizer, material
        self._backend, self._seed = backend, seed
        self._wants_closure = wants_closure(optimizer)
        asked, self._is_curved = _asked_by(optimizer)
        for name in sorted(asked - {*_GIVEN}):
            raise UserError(
                f"{type(optimizer).__name__} cannot take part: it asks for the gradient of the "
                f"{name!r} loss, which no task has; there are {' and '.join(_GIVEN)}"
            )
        self._draws = "sampled" in asked

    def __call__(self, batch: Any, number: int) -> Taken:
        """Take step `number` on a batch."""
        losses: list[float] = []
        inside = 0.0

        def timed(gradient: Callable[[], float]) -> float:
            nonlocal inside
            begin = time.perf_counter()
            value = gradient()
            inside += time.perf_counter() - begin
            return value

        def closure() -> float:
            backward = self._backend.backward
            losses.append(timed(lambda: backward(self._material, batch, self._is_curved)))
            return losses[-1]

        def sampled() -> float:
            random = np.random.default_rng([self._seed, number])
            return timed(lambda: self._backend.backward_on_drawn(self._material, batch, random))

        with np.errstate(over="ignore", invalid="ignore"):  # a loss that is not finite says it
            begin = time.perf_counter()
            if self._wants_closure:
                self._optimizer.step(closure, **({"sampled": sampled} if self._draws else {}))
            else:
                closure()
                self._optimizer.step()
            seconds = time.perf_counter() - begin
        return Taken(losses[0], seconds, inside)


def wants_closure(optimizer: Any) -> bool:
    """Whether a step has to be told how to get the loss."""
    if isinstance(optimizer, AskingSteps):
        return True
    if any(base.__name__ == "LBFGS" for base in type(optimizer).__mro__):
        return True  # though torch's signature, as ours, may leave the closure out
    given = next(iter(inspect.signature(optimizer.step).parameters.values()), None)
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return given is not None and given.kind in plain and given.default is given.empty


def _asked_by(optimizer: Any) -> tuple[set[str], bool]:
    """The losses whose gradients a rule asks for once more, by name, and whether it asks for the
    curvature."""
    if not isinstance(optimizer, AskingSteps):
        return set(), False
    requests = optimizer._chain.requests.values()
    kinds = {request.kind for request in requests}
    return {one.of for one in requests if one.kind == "gradient"}, "curvature" in kinds
