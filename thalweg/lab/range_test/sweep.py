"""The range test: train while the learning rate grows, and see where the loss falls and breaks."""

from __future__ import annotations

import copy
import math
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.lab.errors import UserError
from thalweg.lab.frameworks import framework_of, load_backend
from thalweg.lab.range_test.suggestion import Suggestion, smoothed, suggest
from thalweg.lab.stepping import Stepping
from thalweg.lab.tasks.task import Material
from thalweg.mytorch.random import get_rng_state, set_rng_state
from thalweg.schedules.place import Place

__all__ = ["RangeTest", "lr_find"]

# A loss so many times the fall so far above the best one has broken out, and what follows is of no
# interest.
_BROKEN = 4.0


@dataclass(frozen=True)
class RangeTest:
    """What a range test has seen: the rate of each step, its loss, and what follows from them.

    `loss` is of each batch before the step; `smooth` is its centred mean over a tenth of the steps.
    `ended` says why it ended before the highest rate, if it did.
    """

    lr: NDArray[np.float64]
    loss: NDArray[np.float64]
    smooth: NDArray[np.float64]
    suggestion: Suggestion
    ended: str

    @property
    def suggested(self) -> float | None:
        """The rate to begin with; None where the test shows none."""
        return self.suggestion.lr

    def plot(self, axes: Any = None) -> Any:
        """Draw the curve with the suggested rate; needs matplotlib. Returns the axes."""
        from thalweg.pictures.range_test import plot_range_test

        return plot_range_test([(self.lr, self.loss, self.smooth)], self.suggested, axes)


def lr_find(
    model: Any,
    loss: Callable[[Any, Any], Any],
    loader: Iterable[Any],
    optimizer: Any,
    *,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 120,
    progress: Callable[[int], None] | None = None,
) -> RangeTest:
    """Train a copy of the model while the learning rate grows, and suggest one to begin with.

        found = thalweg.lab.lr_find(model, nn.CrossEntropyLoss(), loader, AdamW(model.parameters()))
        print(found.suggested, found.suggestion.reason)

    Of torch or mytorch. The rate goes from `low` to `high` by the same factor at every step; those
    of further groups keep their ratio to the first one's. `loss` is a function of (output, target),
    a batch of the loader a tuple whose last part is the target. Model, optimizer, loader and random
    numbers are afterwards as they were. It ends early where the loss breaks out or is not finite.
    Raises TypeError or ValueError for what cannot be tested.

    Paper: Smith 2017, arXiv:1506.01186, section 3.3.
    """
    _check(model, optimizer, low, high, steps)
    rates = np.geomspace(low, high, steps)
    losses: list[float] = []
    with _as_it_was(loader):
        try:
            model, optimizer, loss = copy.deepcopy((model, optimizer, loss))
        except (TypeError, RuntimeError, NotImplementedError) as error:
            raise TypeError(f"lr_find: the model cannot be copied: {error}") from error
        step = _stepping(model, loss, loader, optimizer)
        ended = ""
        for t, rate in enumerate(rates):
            losses.append(step(float(rate)))
            if progress is not None:
                progress(t + 1)
            if ended := _end(losses):
                break
    seen, lr = np.array(losses), rates[: len(losses)]
    smooth = smoothed(seen)
    return RangeTest(lr, seen, smooth, suggest(lr, smooth, seen, bool(ended)), ended)


def _check(model: Any, optimizer: Any, low: float, high: float, steps: int) -> None:
    if framework_of(model) is None:
        raise TypeError(
            f"lr_find: model must be a Module of torch or mytorch, got {type(model).__name__}"
        )
    groups = getattr(optimizer, "param_groups", None)
    if not groups or "lr" not in groups[0]:
        raise TypeError(
            f"lr_find: optimizer must have an lr in its groups, got {type(optimizer).__name__}"
        )
    if any(base.__name__ == "LBFGS" for base in type(optimizer).__mro__):
        raise TypeError("lr_find: LBFGS takes several evaluations in a step; its lr is mostly 1")
    if not 0 < low < high < math.inf:
        raise ValueError(f"lr_find: low and high must be 0 < low < high, got {low!r}, {high!r}")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 10:
        raise ValueError(f"lr_find: steps must be a whole number of at least 10, got {steps!r}")


def _stepping(
    model: Any, loss: Callable[[Any, Any], Any], loader: Iterable[Any], optimizer: Any
) -> Callable[[float], float]:
    """A function that does one step at a rate and gives the loss before it."""
    backend = load_backend(framework_of(model) or "")
    material = Material(model, loss, loader, loader, None, None)
    place, groups = Place.parse("lr"), optimizer.param_groups
    first = float(place.read(groups[0])) or 1.0
    shares = [float(place.read(group)) / first or 1.0 for group in groups]
    try:
        take = Stepping(optimizer, material, backend, 0)
    except UserError as error:
        raise TypeError(f"lr_find: {error}") from None
    batches, numbers = _endless(loader), count()
    model.train()

    def step(rate: float) -> float:
        for group, share in zip(groups, shares, strict=True):
            place.write(group, rate * share)
        return take(next(batches), next(numbers)).loss

    return step


def _endless(loader: Iterable[Any]) -> Iterator[Any]:
    while True:
        empty = True
        for batch in loader:
            empty = False
            yield batch
        if empty:
            raise ValueError("lr_find: the loader must give batches, and gives none")


def _end(losses: list[float]) -> str:
    """Why to go no further, if so."""
    if not math.isfinite(losses[-1]):
        return "the loss is no longer finite"
    if len(losses) < 10:
        return ""
    recent = float(np.median(losses[-3:]))
    first, best = float(np.mean(losses[:5])), float(np.min(smoothed(np.array(losses))))
    fall = max(first - best, 0.1 * abs(first), 1e-12)
    return "the loss has broken out" if recent > best + _BROKEN * fall else ""


@contextmanager
def _as_it_was(loader: Any) -> Iterator[None]:
    """Random numbers, and the place of a loader among its epochs, are afterwards as before."""
    torch = sys.modules.get("torch")
    mine, numpys, pythons = get_rng_state(), np.random.get_state(), random.getstate()
    theirs = torch.get_rng_state() if torch is not None else None
    generator: Any = getattr(loader, "generator", None)
    drawn = generator.get_state() if hasattr(generator, "get_state") else None
    epoch = getattr(loader, "epoch", None)
    try:
        yield
    finally:
        set_rng_state(mine)
        np.random.set_state(numpys)
        random.setstate(pythons)
        if torch is not None:
            torch.set_rng_state(theirs)
        if drawn is not None:
            generator.set_state(drawn)
        if isinstance(epoch, int):
            loader.epoch = epoch
