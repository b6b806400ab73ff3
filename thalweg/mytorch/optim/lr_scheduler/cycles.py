"""Schedulers that rise again: restarts, and cycles that move the momentum the other way."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from thalweg.mytorch.optim.lr_scheduler.base import LRScheduler
from thalweg.mytorch.optim.optimizer import Optimizer
from thalweg.mytorch.optim.saved import saved_values
from thalweg.schedules.annealing import restart
from thalweg.schedules.cycles import along, peak, phases, triangle
from thalweg.schedules.falls import FALLS, cosine_fall
from thalweg.schedules.place import for_each_group
from thalweg.schedules.ranges import (
    AMOUNT,
    COUNT,
    DIVISOR,
    FRACTION,
    LENGTH,
    PEAKS,
    PEAKS_BY,
    SHAPE,
    check,
)

__all__ = ["CosineAnnealingWarmRestarts", "CyclicLR", "OneCycleLR"]

Values = float | list[float]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from the base value to eta_min, again and again; each T_mult times as long.

    Every restart gives the network a push out of the valley it was settling in. With a fraction,
    `step(epoch + i / batches)`, it moves within epochs.

        lr = eta_min + (base - eta_min) (1 + cos(pi T_cur / T_i)) / 2

    Paper: Loshchilov and Hutter 2017, arXiv:1608.03983.
    Differs: see `LRScheduler`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        owner = "CosineAnnealingWarmRestarts"
        check(owner, T_0=(COUNT, T_0), T_mult=(COUNT, T_mult), eta_min=(AMOUNT, eta_min))
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        self._t = float(last_epoch + 1)
        super().__init__(optimizer, last_epoch, param=param)

    def step(self, epoch: float | None = None) -> None:
        """Go on by one step, or to `epoch`, which may be a fraction."""
        t = self._t + 1 if epoch is None else epoch
        if not 0 <= t < math.inf:
            raise ValueError(f"CosineAnnealingWarmRestarts: epoch must be >= 0, got {epoch!r}")
        self._adopt()
        self._t, self.last_epoch = float(t), math.floor(t)
        self._write(self._at(self.last_epoch))

    def _begin(self) -> None:
        self._t = 0.0
        super()._begin()

    def _at(self, t: int) -> Sequence[float]:
        since, length = restart(self._t, self.T_0, self.T_mult)
        fall = cosine_fall(since, length)
        return [self.eta_min + (base - self.eta_min) * fall for base in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """Where it stands, in fractions of a step too."""
        return {**super().state_dict(), "t": self._t}

    def _own(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        held = state_dict.get("t") if isinstance(state_dict, Mapping) else 0
        return {"_t": max(saved_values(type(self).__name__, "t", [held], 1)[0], 0.0)}


class _Cycle(LRScheduler):
    """What the two share: limits for each group, and momentum that falls as the rate rises."""

    cycle_momentum = False

    def _limits(self, name: str, value: Values) -> list[float]:
        count = len(self.optimizer.param_groups)
        return for_each_group(type(self).__name__, name, value, count, AMOUNT.check)

    def _look_for_momentum(self, wanted: bool, low: Values, high: Values) -> None:
        # with another hyper-parameter the momentum is left to the scheduler of the rate
        self.cycle_momentum = bool(wanted) and self.param == "lr"
        defaults = self.optimizer.defaults
        if self.cycle_momentum and not {"momentum", "betas"} & defaults.keys():
            raise ValueError(
                f"{type(self).__name__}: cycle_momentum must be False with an optimizer that has "
                f"neither momentum nor betas, got {wanted!r}"
            )
        self.use_beta1 = "betas" in defaults
        if self.cycle_momentum:
            self.base_momentums = self._limits("base_momentum", low)
            self.max_momentums = self._limits("max_momentum", high)
            self._lists = (*self._lists, "base_momentums", "max_momentums")  # type: ignore[misc]

    def _base_of(self, group: dict[str, Any]) -> float:
        value: float = self._extended("base_lrs", 1)[-1]
        return value

    def _write(self, values: Sequence[float]) -> None:
        super()._write(values)
        if self.cycle_momentum:
            for i, group in enumerate(self.optimizer.param_groups):
                momentum = self._momentum(self.base_momentums[i], self.max_momentums[i])
                if self.use_beta1:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum

    def _momentum(self, low: float, high: float) -> float:
        """The momentum of step `last_epoch`."""
        raise NotImplementedError


class CyclicLR(_Cycle):
    """Up from base_lr to max_lr in straight lines and down again, for ever.

    To cross the range of good rates again and again saves looking for the best one. The peak of
    each cycle is that of "triangular", halved each time in "triangular2", or shrunk by gamma at
    every step in "exp_range"; `scale_fn` is one of your own. Momentum goes the other way.

        lr = base_lr + (max_lr - base_lr) height scale

    Paper: Smith 2017, arXiv:1506.01186.
    Differs: see `LRScheduler`.
    """

    _lists = ("max_lrs",)

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: Values,
        max_lr: Values,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: Literal["cycle", "iterations"] = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Values = 0.8,
        max_momentum: Values = 0.9,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        self._attach(optimizer, last_epoch, param)
        down = step_size_up if step_size_down is None else step_size_down
        check("CyclicLR", step_size_up=(LENGTH, step_size_up), step_size_down=(LENGTH, down))
        check("CyclicLR", gamma=(AMOUNT, gamma), scale_mode=(PEAKS_BY, scale_mode))
        if scale_fn is None:
            check("CyclicLR", mode=(PEAKS, mode))
        elif not callable(scale_fn):
            raise TypeError(f"CyclicLR: scale_fn must be a function, got {scale_fn!r}")
        lows = self._limits("base_lr", base_lr)
        self.max_lrs = self._limits("max_lr", max_lr)
        self._total = float(step_size_up) + float(down)
        self._rise = float(step_size_up) / self._total
        self.mode, self.gamma, self._scale_fn = mode, gamma, scale_fn
        by_steps = mode == "exp_range" if scale_fn is None else scale_mode == "iterations"
        self.scale_mode = "iterations" if by_steps else "cycle"
        self._look_for_momentum(cycle_momentum, base_momentum, max_momentum)
        for group, low in zip(optimizer.param_groups, lows, strict=True):
            group[self._initial_key] = float(low)
        super().__init__(optimizer, last_epoch, param=param)

    def _height(self, t: int) -> float:
        cycle, height = triangle(t, self._total, self._rise)
        x = cycle if self.scale_mode == "cycle" else t
        value: float = height * self._scale(x)
        return value

    def _scale(self, x: float) -> float:
        """The height of the peak, for the number of the cycle or of the step."""
        if self._scale_fn is not None:
            return self._scale_fn(x)
        return peak(self.mode, self.gamma, x)

    def _at(self, t: int) -> Sequence[float]:
        height = self._height(t)
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * height for low, high in pairs]

    def _momentum(self, low: float, high: float) -> float:
        return high - (high - low) * self._height(self.last_epoch)


class OneCycleLR(_Cycle):
    """Up from max_lr / div_factor to max_lr, and down to far below: one cycle for all steps.

    The large rates in the middle regularize and cover ground, the long descent settles; training
    often takes a fraction of the usual steps. Step it after every batch. Momentum goes the other
    way. With `three_phase` the way down stops where the way up began, before the last descent.

    Paper: Smith and Topin 2018, arXiv:1708.07120; the two phases and the cosine as in fastai.
    Differs: from step total_steps on it keeps its last value, and warns once, where torch raises;
    see `LRScheduler`.
    """

    _lists = ("max_lrs",)
    _warned = False

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Values,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        cycle_momentum: bool = True,
        base_momentum: Values = 0.85,
        max_momentum: Values = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
        *,
        param: str = "lr",
    ) -> None:
        self._attach(optimizer, last_epoch, param)
        self.total_steps = _total(total_steps, epochs, steps_per_epoch)
        check("OneCycleLR", pct_start=(FRACTION, pct_start))
        check("OneCycleLR", anneal_strategy=(SHAPE, anneal_strategy))
        check("OneCycleLR", div_factor=(DIVISOR, div_factor))
        check("OneCycleLR", final_div_factor=(DIVISOR, final_div_factor))
        self._phases = phases(self.total_steps, pct_start, three_phase)
        self._fall = FALLS[anneal_strategy]
        self._final_div_factor = final_div_factor
        self.max_lrs = self._limits("max_lr", max_lr)
        self._look_for_momentum(cycle_momentum, base_momentum, max_momentum)
        for group, high in zip(optimizer.param_groups, self.max_lrs, strict=True):
            group[self._initial_key] = high / div_factor
        super().__init__(optimizer, last_epoch, param=param)

    def step(self) -> None:
        """Go on to the next step's value."""
        if self.last_epoch >= self.total_steps and not self._warned:
            self._warned = True
            warnings.warn(
                f"OneCycleLR: step {self.last_epoch + 1} is past its end, total_steps="
                f"{self.total_steps}; the last value is kept from here on",
                UserWarning,
                stacklevel=2,
            )
        super().step()

    def _along(self, t: int, start: float, peak: float, end: float) -> float:
        values = {"start": start, "peak": peak, "end": end}
        value: float = along(self._phases, values, float(min(t, self.total_steps - 1)), self._fall)
        return value

    def _at(self, t: int) -> Sequence[float]:
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [
            self._along(t, start, peak, start / self._final_div_factor) for start, peak in pairs
        ]

    def _momentum(self, low: float, high: float) -> float:
        return self._along(self.last_epoch, high, low, high)


def _total(total_steps: Any, epochs: Any, steps_per_epoch: Any) -> int:
    given = {"total_steps": total_steps}
    if total_steps is None:
        given = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
        if None in given.values():
            raise ValueError(
                "OneCycleLR: total_steps must be given, or both epochs and steps_per_epoch, "
                f"got epochs={epochs!r} and steps_per_epoch={steps_per_epoch!r}"
            )
    for name, value in given.items():
        check("OneCycleLR", **{name: (COUNT, value)})
    return math.prod(given.values())
