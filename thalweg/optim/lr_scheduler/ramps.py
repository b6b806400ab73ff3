"""Curves of a given length: constant, linear, polynomial."""

from __future__ import annotations

from operator import itemgetter
from typing import ClassVar

from torch.optim import Optimizer, lr_scheduler

from thalweg.optim.lr_scheduler.chainable import Chainable, curve
from thalweg.schedules import Schedule, constant, linear, polynomial
from thalweg.schedules.ranges import AMOUNT, FRACTION, POSITIVE_FRACTION, STEPS

__all__ = ["ConstantLR", "LinearLR", "PolynomialLR"]


class _Ramp(Chainable):
    total_iters: int

    @property
    def _end(self) -> float:
        return self.total_iters


def _held(factor: float, steps: float) -> Schedule:
    return constant(factor, steps) >> constant()


class ConstantLR(_Ramp, lr_scheduler.ConstantLR):
    """Multiply by a factor for the first total_iters steps.

    The plainest warm-up, and the stop-gap before another scheduler.

        lr(t) = base factor          t < total_iters
        lr(t) = base                 from there on

    Differs: factor=0 ends at the base value, where torch divides by zero; a new group joins, and
    rebuilding with last_epoch=N catches up (see `Scheduler`). As torch, total_iters=0 keeps the
    factor for ever.
    """

    _arguments: ClassVar = {"factor": FRACTION, "total_iters": STEPS}
    _words: ClassVar = {"factor": "Constant multiplicative factor expected to be between 0 and 1."}
    _starts_at_zero = _moves_when_made = True

    _asked = itemgetter("factor", "total_iters")  # type: ignore[assignment]

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        self._keep(factor=factor, total_iters=total_iters)
        super().__init__(optimizer, last_epoch, param)

    @property
    def _curve(self) -> Schedule:
        return curve(_held, self.factor, self.total_iters)

    @property
    def _start(self) -> float:
        return self.factor


class LinearLR(_Ramp, lr_scheduler.LinearLR):
    """Multiply by a factor that goes in a straight line from start_factor to end_factor.

    The usual warm-up: start_factor small, end_factor 1.

        lr(t) = base (start_factor (1 - x) + end_factor x),      x = min(t / total_iters, 1)

    Differs: a new group joins, and rebuilding with last_epoch=N catches up (see `Scheduler`). As
    torch, total_iters=0 keeps start_factor for ever, and start_factor=0 is refused; a warm-up
    from 0, or of no length, is `ScheduleLR(optimizer, warmup(n) >> ...)`.
    """

    _arguments: ClassVar = {
        "start_factor": POSITIVE_FRACTION,
        "end_factor": FRACTION,
        "total_iters": STEPS,
    }
    _words: ClassVar = {
        "start_factor": "Starting multiplicative factor expected to be greater than 0 and less or "
        "equal to 1.",
        "end_factor": "Ending multiplicative factor expected to be between 0 and 1.",
    }
    _starts_at_zero = True

    _asked = itemgetter("total_iters", "start_factor", "end_factor")  # type: ignore[assignment]

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        self._keep(start_factor=start_factor, end_factor=end_factor, total_iters=total_iters)
        super().__init__(optimizer, last_epoch, param)

    @property
    def _curve(self) -> Schedule:
        return curve(linear, self.total_iters, self.start_factor, self.end_factor)

    @property
    def _start(self) -> float:
        return self.start_factor


class PolynomialLR(_Ramp, lr_scheduler.PolynomialLR):
    """Decay to 0 in total_iters steps, as a power of the part that is left.

    Power 1 is a straight line; 0.9 is the usual one for semantic segmentation.

        lr(t) = base (1 - min(t / total_iters, 1))^power

    Differs: a new group joins, and rebuilding with last_epoch=N catches up (see `Scheduler`). As
    torch, total_iters=0 changes nothing.
    """

    _arguments: ClassVar = {"total_iters": STEPS, "power": AMOUNT}

    _asked = itemgetter("total_iters", "power")  # type: ignore[assignment]

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        self._keep(total_iters=total_iters, power=power)
        super().__init__(optimizer, last_epoch, param)

    @property
    def _curve(self) -> Schedule:
        return curve(polynomial, self.total_iters, self.power)

    @property
    def _start(self) -> float:
        return 1.0
