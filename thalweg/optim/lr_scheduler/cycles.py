"""Schedulers that rise and fall, and cycle the momentum the other way."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from torch.optim import Optimizer, lr_scheduler

from thalweg.optim.lr_scheduler.functions import attributes, check_attributes
from thalweg.optim.lr_scheduler.saved import as_list, as_mapping, as_setting
from thalweg.optim.lr_scheduler.scheduler import Scheduler, for_added_group, per_group_values
from thalweg.schedules.cycles import Phase, between, passed, peak, phases, triangle
from thalweg.schedules.falls import FALLS
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
from thalweg.settings import Setting

__all__ = ["CyclicLR", "OneCycleLR"]

_END = Setting(0.0, low=-2)  # -1 for a way up of no steps, -2 for the way down after it

Values = float | list[float]


class _Cycle(Scheduler):
    """What the two share: limits for each group, and momentum that falls as the rate rises."""

    cycle_momentum: bool
    use_beta1: bool

    def _limits(self, name: str, value: Values, allowed: Setting = AMOUNT) -> list[Any]:
        owner = type(self).__name__
        return per_group_values(owner, name, self.optimizer, value, allowed.check)

    def _look_for_momentum(self, cycle_momentum: bool) -> None:
        # with another hyper-parameter the momentum is left to the scheduler of the rate
        self.cycle_momentum = bool(cycle_momentum) and self.param == "lr"
        if self.cycle_momentum:
            if not {"momentum", "betas"} & self.optimizer.defaults.keys():
                raise ValueError(
                    f"{type(self).__name__}: cycle_momentum must be False with an optimizer that "
                    f"has neither momentum nor betas, got {cycle_momentum!r} (optimizer must "
                    "support momentum or beta1 with `cycle_momentum` option enabled)"
                )
            self.use_beta1 = "betas" in self.optimizer.defaults

    def _keep_momentum(self, group: dict[str, Any], high: Any, low: Any) -> None:
        self._set_momentum(group, high)
        group["max_momentum"] = high
        group["base_momentum"] = low

    def _set_momentum(self, group: dict[str, Any], value: Any) -> None:
        # assigned, as torch does, where a rate that is a tensor would be filled
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(_Cycle, lr_scheduler.CyclicLR):
    """Up from base_lr to max_lr in straight lines and down again, for ever.

    To cross the range of good rates again and again saves looking for the best one. The peak of
    each cycle is that of "triangular", halved each time in "triangular2", or shrunk by gamma at
    every step in "exp_range"; `scale_fn` is one of your own. Momentum goes the other way.

        lr = base_lr + (max_lr - base_lr) height scale

    Paper: Smith 2017, arXiv:1506.01186.
    Differs: a new group joins, with the limits that all groups have; rebuilding with
    last_epoch=N needs no `initial_lr`; beside another scheduler it begins at base_lr, where torch
    begins at the other's base.
    """

    _unsaved = (*_Cycle._unsaved, "_scale_fn_ref", "_scale_fn_custom")
    _arguments: ClassVar = {"gamma": AMOUNT, "scale_mode": PEAKS_BY}
    _words: ClassVar = {"mode": "mode is invalid and scale_fn is None"}
    _numbers: ClassVar = {**_Cycle._numbers, "total_size": LENGTH, "step_ratio": FRACTION}
    _lists = (*_Cycle._lists, "max_lrs", "base_momentums", "max_momentums")

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
        owner = type(self).__name__
        check(owner, step_size_up=(LENGTH, step_size_up), step_size_down=(LENGTH, down))
        if scale_fn is None:
            as_setting(owner, "mode", mode, PEAKS, self._words)
        elif not callable(scale_fn):
            raise TypeError(f"{owner}: scale_fn must be a function, got {scale_fn!r}")
        self.mode = mode
        self._keep(gamma=gamma, scale_mode=scale_mode)
        self.base_lrs = self._limits("base_lr", base_lr)
        self.max_lrs = self._limits("max_lr", max_lr)
        self.total_size = float(step_size_up) + float(down)  # type: ignore[assignment]
        self.step_ratio = float(step_size_up) / self.total_size
        self._scale_fn_custom = scale_fn
        self._settle_scale()
        self._look_for_momentum(cycle_momentum)
        if self.cycle_momentum:
            self.base_momentums = self._limits("base_momentum", base_momentum)
            self.max_momentums = self._limits("max_momentum", max_momentum)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                self._enter(group, i, self.base_lrs[i])
            else:
                group.setdefault(self._initial_key, self.base_lrs[i])
        super().__init__(optimizer, last_epoch, param)

    def _bases(self) -> list[Any]:
        return self.base_lrs  # its own, whatever another scheduler has begun with

    def _enter(self, group: dict[str, Any], i: int, base: Any) -> None:
        self._place.write(group, base)
        if self.cycle_momentum:
            self._keep_momentum(group, self.max_momentums[i], self.base_momentums[i])

    def _prepare(self, group: dict[str, Any], i: int) -> None:
        own = functools.partial(for_added_group, type(self).__name__, group)
        base = own("base_lr", self.base_lrs)
        self.max_lrs = [*self.max_lrs, own("max_lr", self.max_lrs)]
        if self.cycle_momentum:
            low = own("base_momentum", self.base_momentums)
            high = own("max_momentum", self.max_momentums)
            self.base_momentums = [*self.base_momentums, low]
            self.max_momentums = [*self.max_momentums, high]
        group[self._initial_key] = base
        self._enter(group, i, base)

    def _settle_scale(self) -> None:
        # as torch has it: what is edited later counts once a state is loaded
        self._scale_fn_ref = functools.partial(peak, self.mode, self.gamma)
        if self._scale_fn_custom is None:
            self.scale_mode = "iterations" if self.mode == "exp_range" else "cycle"

    def scale_fn(self, x: float) -> float:
        """The height of the peak, for the number of the cycle or of the step."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return self._scale_fn_ref(x)

    def get_lr(self) -> list[Any]:
        """The values at `last_epoch`; the momentum is set on the way."""
        self._warn_outside_of_step()
        height = self._height(self.last_epoch)
        if self.cycle_momentum:
            limits = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(self.optimizer.param_groups, limits, strict=True):
                self._set_momentum(group, high - (high - low) * height)
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * height for low, high in pairs]

    def _height(self, t: int) -> float:
        """How high above the base, of 1, the value is."""
        cycle, height = triangle(t, self.total_size, self.step_ratio)
        scaled: float = height * self.scale_fn(cycle if self.scale_mode == "cycle" else t)
        return scaled

    def _next_of(self, value: float, t: int, held: dict[str, Any]) -> Any:
        height, (low,), (high,) = self._height(t), held["base_lrs"], held["max_lrs"]
        found = low + (high - low) * height
        if held["cycle_momentum"]:
            (low,), (high,) = held["base_momentums"], held["max_momentums"]
            self._set_momentum(self.optimizer.param_groups[0], high - (high - low) * height)
        return found

    def state_dict(self) -> dict[str, Any]:
        """As torch's: of a `scale_fn`, the attributes, if it is an object."""
        state = super().state_dict()
        state["_scale_fn_custom"] = attributes(self._scale_fn_custom)
        return state

    def _usable(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        state = super()._usable(state_dict)
        if self._scale_fn_custom is None and "mode" in state:
            as_setting(type(self).__name__, "mode", state["mode"], PEAKS, self._words)
        return state

    def _functions_of(self, state_dict: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        owner = type(self).__name__
        saved = as_mapping(owner, "state_dict", state_dict).get("_scale_fn_custom")
        check_attributes(owner, "_scale_fn_custom", self._scale_fn_custom, saved)
        return [(self._scale_fn_custom, saved)]

    def _loaded(self) -> None:
        self._settle_scale()


class OneCycleLR(_Cycle, lr_scheduler.OneCycleLR):
    """Up from max_lr / div_factor to max_lr, and down to far below: one cycle for all steps.

    The large rates in the middle regularize and cover ground, the long descent settles; training
    often takes a fraction of the usual steps. Step it after every batch. Momentum goes the other
    way. With `three_phase` the way down stops where the way up began, before the last descent.

    Paper: Smith and Topin 2018, arXiv:1708.07120; the two phases and the cosine as in fastai.
    Differs: from step total_steps on it keeps its last value, and warns once after that step;
    torch goes beyond min_lr at that step and raises after it. A first phase of one step begins at
    its end, where torch divides by zero. A new group joins with the limits that all groups have;
    rebuilding with last_epoch=N needs nothing in the groups.
    """

    _unsaved = (*_Cycle._unsaved, "_warned")
    _arguments: ClassVar = {"total_steps": COUNT, "_anneal_func_type": SHAPE}
    _words: ClassVar = {
        "pct_start": "Expected float between 0 and 1 pct_start, but got {}",
        "_anneal_func_type": "anneal_strategy must be one of 'cos' or 'linear', instead got {}",
    }
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
        owner, words = type(self).__name__, self._words
        self._keep(total_steps=_total(total_steps, epochs, steps_per_epoch))
        as_setting(owner, "pct_start", pct_start, FRACTION, words)
        said = {"anneal_strategy": words["_anneal_func_type"]}
        as_setting(owner, "anneal_strategy", anneal_strategy, SHAPE, said)
        check(owner, div_factor=(DIVISOR, div_factor))
        check(owner, final_div_factor=(DIVISOR, final_div_factor))
        self._schedule_phases = [
            self._as_saved(phase) for phase in phases(self.total_steps, pct_start, three_phase)
        ]
        self._anneal_func_type = anneal_strategy
        peaks = self._limits("max_lr", max_lr)
        self._look_for_momentum(cycle_momentum)
        if self.cycle_momentum:
            low = self._limits("base_momentum", base_momentum)
            high = self._limits("max_momentum", max_momentum)
        for i, group in enumerate(optimizer.param_groups):
            known = {} if last_epoch == -1 else dict(group)  # a rebuilt one leaves what is there
            start = peaks[i] / div_factor
            limits = (start, peaks[i], start / final_div_factor)
            group.update(dict(zip(self._keys, limits, strict=True)))
            if self.cycle_momentum:
                self._keep_momentum(group, high[i], low[i])
            group.update(known)
        super().__init__(optimizer, last_epoch, param)

    @property
    def _keys(self) -> tuple[str, str, str]:
        """Where a group keeps the values of the start, the peak and the end."""
        return self._initial_key, f"max_{self.param}", f"min_{self.param}"

    def _as_saved(self, phase: Phase) -> Any:
        rates = dict(zip(("start", "peak", "end"), self._keys, strict=True))
        momentums = {"start": "max_momentum", "peak": "base_momentum", "end": "max_momentum"}
        return {
            "end_step": phase.end,
            "start_lr": rates[phase.source],
            "end_lr": rates[phase.target],
            "start_momentum": momentums[phase.source],
            "end_momentum": momentums[phase.target],
        }

    def _prepare(self, group: dict[str, Any], i: int) -> None:
        others = [other for other in self.optimizer.param_groups if other is not group]
        momentums = ("max_momentum", "base_momentum") if self.cycle_momentum else ()
        for key in (*self._keys, *momentums):
            kept = [other[key] for other in others if key in other]
            group[key] = for_added_group(type(self).__name__, group, key, kept)

    def get_lr(self) -> list[Any]:
        """The values at `last_epoch`; the momentum is set on the way."""
        self._warn_outside_of_step()
        if self.last_epoch > self.total_steps and not self._warned:
            self._warned = True
            warnings.warn(
                f"OneCycleLR: step {self.last_epoch} is past its end, total_steps="
                f"{self.total_steps}; the last value is kept from here on",
                UserWarning,
                stacklevel=4,
            )
        groups, (phase, left) = self.optimizer.param_groups, self._reached(self.last_epoch)
        found = [_along(phase, "lr", group, left) for group in groups]
        if self.cycle_momentum:
            for group in groups:
                self._set_momentum(group, _along(phase, "momentum", group, left))
        return found

    def _next_of(self, value: float, t: int, held: dict[str, Any]) -> Any:
        if t > held["total_steps"]:
            return None
        (group,), (phase, left) = self.optimizer.param_groups, self._reached(t)
        found = _along(phase, "lr", group, left)
        if held["cycle_momentum"]:
            self._set_momentum(group, _along(phase, "momentum", group, left))
        return found

    def _usable(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        state, owner = super()._usable(state_dict), type(self).__name__
        if "_schedule_phases" in state:
            phases = as_list(owner, "_schedule_phases", state["_schedule_phases"])
            state["_schedule_phases"] = [
                _as_phase(owner, f"_schedule_phases[{i}]", each) for i, each in enumerate(phases)
            ]
        return state

    def _reached(self, at: int) -> tuple[dict[str, Any], float]:
        """The phase at a step, and which part of it is left."""
        kept: Sequence[Any] = self._schedule_phases
        t, begin = float(min(at, self.total_steps - 1)), 0.0
        for phase in kept[:-1]:
            if t <= phase["end_step"]:
                break
            begin = phase["end_step"]
        else:
            phase = kept[-1]
        fall = FALLS[self._anneal_func_type]
        return phase, fall(passed(begin, phase["end_step"], t), 1.0)


def _along(phase: Mapping[str, Any], what: str, group: Mapping[str, Any], left: float) -> Any:
    """The rate or the momentum of a group where this part of a phase is left."""
    return between(group[phase[f"start_{what}"]], group[phase[f"end_{what}"]], left)


def _as_phase(owner: str, name: str, saved: Any) -> dict[str, Any]:
    """A phase out of a file: where it ends, and the keys of the group between which it goes."""
    phase = as_mapping(owner, name, saved)
    if not phase.keys() >= {"end_step", "start_lr", "end_lr", "start_momentum", "end_momentum"}:
        raise ValueError(f"{owner}: {name} must be a phase with an end_step, got {saved!r}")
    _END.check(f"{owner}: {name}['end_step']", phase["end_step"])
    return phase


def _total(total_steps: Any, epochs: Any, steps_per_epoch: Any) -> int:
    given = {"total_steps": total_steps}
    if total_steps is None:
        given = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
        if None in given.values():
            raise ValueError(
                "OneCycleLR: total_steps must be given, or both epochs and steps_per_epoch, "
                f"got epochs={epochs!r} and steps_per_epoch={steps_per_epoch!r} "
                "(You must define either total_steps OR (epochs AND steps_per_epoch))"
            )
    total = 1
    for name, value in given.items():
        if not isinstance(value, int) or value < 1:  # a ValueError for either, as torch
            raise ValueError(
                f"OneCycleLR: {name} must be an integer >= 1, got {value!r} "
                f"(Expected positive integer {name}, but got {value})"
            )
        total *= value
    return total
