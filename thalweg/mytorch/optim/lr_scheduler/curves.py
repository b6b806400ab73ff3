"""Schedulers that follow a curve of `thalweg.schedules`, or a function of the step."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from thalweg.mytorch.optim.lr_scheduler.base import LRScheduler, check_optimizer
from thalweg.mytorch.optim.optimizer import Optimizer
from thalweg.schedules import (
    Schedule,
    constant,
    cosine_wave,
    exponential,
    linear,
    multistep,
    polynomial,
    step_decay,
)
from thalweg.schedules.place import for_each_group
from thalweg.schedules.ranges import (
    AMOUNT,
    COUNT,
    FRACTION,
    LENGTH,
    POSITIVE_FRACTION,
    STEPS,
    WHOLE,
    check,
)

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "PolynomialLR",
    "StepLR",
]

Factor = Callable[[int], float]


class _Curve(LRScheduler):
    """A curve c, whose steps move the current value: it may be edited, or another's too.

    value <- floor + (value - floor) c(t) / c(t - 1)
    """

    _curve: Schedule
    _floor = 0.0
    _end = math.inf  # the last step that moves the value

    @property
    def _start(self) -> float:
        """The factor at step 0."""
        value: float = self._curve.factor(0.0)
        return value

    def _first(self) -> Sequence[float]:
        return self._scaled(self._start)

    def _next(self, t: int) -> Sequence[float]:
        ratio = 1.0 if t > self._end else self._curve.ratio(float(t))
        if ratio < math.inf:
            return self._scaled(ratio)
        rise = self._curve.factor(float(t))
        pairs = zip(self._values(), self.base_lrs, strict=True)
        return [value + (base - self._floor) * rise for value, base in pairs]

    def _scaled(self, ratio: float) -> list[float]:
        return [self._floor + (value - self._floor) * ratio for value in self._values()]

    def _at(self, t: int) -> Sequence[float]:
        moved = min(t, self._end)
        factor = self._curve.factor(float(moved)) if moved else self._start
        return [self._floor + (base - self._floor) * factor for base in self.base_lrs]


class StepLR(_Curve):
    """Multiply by gamma once in step_size steps.

    The staircase that early image classifiers were trained with: simple to reason about when
    you want to see what each rate can do.

        lr(t) = base gamma^floor(t / step_size)

    Differs: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        step_size: int,
        gamma: float = 0.1,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        check("StepLR", step_size=(COUNT, step_size), gamma=(AMOUNT, gamma))
        self._curve = step_decay(step_size, gamma)
        super().__init__(optimizer, last_epoch, param=param)


class MultiStepLR(_Curve):
    """Multiply by gamma at each milestone; twice at one that is named twice.

    For a training whose plateaus you know: "at 60 % and 85 %".

        lr(t) = base gamma^(number of milestones <= t)

    Differs: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        if isinstance(milestones, str) or not isinstance(milestones, Iterable):
            raise TypeError(f"MultiStepLR: milestones must be several integers, got {milestones!r}")
        given = list(milestones)
        for i, milestone in enumerate(given):
            WHOLE.check(f"MultiStepLR: milestones[{i}]", milestone)
        check("MultiStepLR", gamma=(AMOUNT, gamma))
        self._curve = multistep(tuple(given), gamma)
        super().__init__(optimizer, last_epoch, param=param)


class ExponentialLR(_Curve):
    """Multiply by gamma at every step.

    A decay with no end to plan for; gamma is what an epoch, or a batch, takes off.

        lr(t) = base gamma^t

    Differs: see `LRScheduler`.
    """

    def __init__(
        self, optimizer: Optimizer, gamma: float, last_epoch: int = -1, *, param: str = "lr"
    ) -> None:
        check("ExponentialLR", gamma=(AMOUNT, gamma))
        self._curve = exponential(gamma)
        super().__init__(optimizer, last_epoch, param=param)


class ConstantLR(_Curve):
    """Multiply by a factor for the first total_iters steps.

    The plainest warm-up, and the stop-gap before another scheduler.

        lr(t) = base factor          t < total_iters
        lr(t) = base                 from there on

    Differs: factor=0 ends at the base value, where torch divides by zero; see `LRScheduler`. As
    torch, total_iters=0 keeps the factor for ever.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        check("ConstantLR", factor=(FRACTION, factor), total_iters=(STEPS, total_iters))
        self._curve = constant(factor, total_iters) >> constant()
        self._factor, self._end = factor, total_iters
        super().__init__(optimizer, last_epoch, param=param)

    @property
    def _start(self) -> float:
        return self._factor


class LinearLR(_Curve):
    """Multiply by a factor that goes in a straight line from start_factor to end_factor.

    The usual warm-up: start_factor small, end_factor 1.

        lr(t) = base (start_factor (1 - x) + end_factor x),      x = min(t / total_iters, 1)

    Differs: see `LRScheduler`. As torch, total_iters=0 keeps start_factor for ever.
    """

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
        check("LinearLR", start_factor=(POSITIVE_FRACTION, start_factor))
        check("LinearLR", end_factor=(FRACTION, end_factor), total_iters=(STEPS, total_iters))
        self._curve = linear(total_iters, start_factor, end_factor)
        self._start_factor, self._end = start_factor, total_iters
        super().__init__(optimizer, last_epoch, param=param)

    @property
    def _start(self) -> float:
        return self._start_factor


class PolynomialLR(_Curve):
    """Decay to 0 in total_iters steps, as a power of the part that is left.

    Power 1 is a straight line; 0.9 is the usual one for semantic segmentation.

        lr(t) = base (1 - min(t / total_iters, 1))^power

    Differs: see `LRScheduler`. As torch, total_iters=0 changes nothing.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        check("PolynomialLR", total_iters=(STEPS, total_iters), power=(AMOUNT, power))
        self._curve, self._end = polynomial(total_iters, power), total_iters
        super().__init__(optimizer, last_epoch, param=param)

    @property
    def _start(self) -> float:
        return 1.0


class CosineAnnealingLR(_Curve):
    """Half a cosine from the base value to eta_min in T_max steps, and up again after them.

    The usual decay when the number of steps is known. Past T_max it rises, as in torch; for one
    that stays down take `Scheduler(optimizer, cosine(T_max))`.

        lr(t) = eta_min + (base - eta_min) (1 + cos(pi t / T_max)) / 2

    Paper: Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5.
    Differs: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,
        eta_min: float = 0.0,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        check("CosineAnnealingLR", T_max=(LENGTH, T_max), eta_min=(AMOUNT, eta_min))
        self._curve, self._floor = cosine_wave(T_max), float(eta_min)
        super().__init__(optimizer, last_epoch, param=param)


class _OfFunctions(LRScheduler):
    _lists = ("lr_lambdas",)

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Factor | list[Factor],
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        owner = type(self).__name__
        check_optimizer(owner, optimizer)
        count = len(optimizer.param_groups)
        self.lr_lambdas = for_each_group(owner, "lr_lambda", lr_lambda, count, _check_function)
        super().__init__(optimizer, last_epoch, param=param)


class LambdaLR(_OfFunctions):
    """Multiply the base value by what a function says of the step.

    For a curve that nothing else has. A schedule of `thalweg.schedules` is such a function.

        lr(t) = base lr_lambda(t)

    Differs: see `LRScheduler`.
    """

    def _at(self, t: int) -> Sequence[float]:
        pairs = zip(self.lr_lambdas, self.base_lrs, strict=True)
        return [base * function(t) for function, base in pairs]


class MultiplicativeLR(_OfFunctions):
    """Multiply the current value, at every step, by what a function says of the step.

    For a decay that depends on the step and is easier told as a change than as a curve.

        lr(t) = base lr_lambda(1) lr_lambda(2) ... lr_lambda(t)

    Differs: see `LRScheduler`.
    """

    def _first(self) -> Sequence[float]:
        return self._values()

    def _next(self, t: int) -> Sequence[float]:
        pairs = zip(self.lr_lambdas, self._values(), strict=True)
        return [value * function(t) for function, value in pairs]

    def _at(self, t: int) -> Sequence[float]:
        pairs = zip(self.lr_lambdas, self.base_lrs, strict=True)
        steps = range(1, t + 1)
        return [
            functools.reduce(lambda value, s, f=function: value * f(s), steps, base)  # type: ignore[misc]
            for function, base in pairs
        ]


def _check_function(where: str, function: Any) -> None:
    if not callable(function):
        raise TypeError(f"{where} must be a function of the step, got {function!r}")
