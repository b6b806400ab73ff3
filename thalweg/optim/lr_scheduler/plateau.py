"""A scheduler that watches a metric instead of the step."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, SupportsFloat

from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import EPOCH_DEPRECATION_WARNING

from thalweg.optim.lr_scheduler.groups import lists_of, places
from thalweg.optim.lr_scheduler.saved import Saved, as_setting
from thalweg.optim.lr_scheduler.scheduler import check_optimizer, per_group_values
from thalweg.schedules.place import Place, check_param, check_schedulable, copied
from thalweg.schedules.plateau import PLATEAU, Plateau
from thalweg.schedules.ranges import AMOUNT, LAST_EPOCH, WHOLE
from thalweg.schedules.whole import Before
from thalweg.settings import Setting

__all__ = ["ReduceLROnPlateau"]


# torch's class is the base in name only: everything is overridden. Trainers ask
# `isinstance(scheduler, ReduceLROnPlateau)` to know whether `step` takes a metric.
class ReduceLROnPlateau(Saved, Plateau, lr_scheduler.ReduceLROnPlateau):
    """Multiply by factor when a metric has not improved for more than patience steps.

    For a validation loss whose plateaus nobody can foresee; step it once per validation, with the
    metric.

    Differs: it may stand inside `SequentialLR` and `ChainedScheduler`, whose `step` hands the
    metric on. A metric that is NaN counts as no improvement, as in torch, and warns once. Of a
    negative best the relative threshold is a part of its size, where torch takes any metric that
    does not change for an improvement. `last_epoch` is taken where it is -1, since trainers pass it
    to every scheduler.
    """

    _unsaved = (*Saved._unsaved, "_warned", "_known")
    _arguments: ClassVar = PLATEAU
    _words: ClassVar = {
        "mode": "mode {} is unknown!",
        "threshold_mode": "threshold mode {} is unknown!",
        "factor": "Factor should be < 1.0.",
    }
    _numbers: ClassVar = {
        "last_epoch": LAST_EPOCH,
        "cooldown_counter": WHOLE,
        "num_bad_epochs": WHOLE,
        "best": Setting(0.0),
        "mode_worse": Setting(0.0),
    }
    _lists = ("min_lrs",)
    _takes_metrics = True
    _known: Sequence[Any] = ()

    def __init__(
        self,
        optimizer: Optimizer,
        mode: Literal["min", "max"] = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: Literal["rel", "abs"] = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
        *,
        last_epoch: int = -1,
        param: str = "lr",
    ) -> None:
        name = type(self).__name__
        check_optimizer(name, optimizer)
        check_param(name, optimizer.param_groups, param)
        if last_epoch != -1:
            raise ValueError(
                f"{name}: last_epoch must be -1, since no number says what the metrics were, got "
                f"{last_epoch!r}; load its state_dict to go on"
            )
        self._keep(mode=mode, factor=factor, patience=patience, threshold=threshold)
        self._keep(threshold_mode=threshold_mode, cooldown=cooldown, eps=eps)
        self.min_lrs = per_group_values(
            name, "min_lr", optimizer, min_lr, AMOUNT.check, "expected {count} min_lrs, got {got}"
        )
        self.default_min_lr = None if isinstance(min_lr, list | tuple) else copied(min_lr)
        self.optimizer = optimizer
        self._known = lists_of(optimizer.param_groups)
        if param != "lr":
            self.param = param
        self._reset()
        self.mode_worse = self.best  # under torch's name, in files
        self.last_epoch = 0
        self._remember()

    def _remember(self) -> None:
        place = Place.parse(self.param)
        self._last_lr = [copied(place.read(group)) for group in self.optimizer.param_groups]

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """Look at the metric of the steps since the last call."""
        is_plain = type(metrics) is float and metrics == metrics  # nearly always, and no NaN
        if is_plain and epoch is None and self._looked_alone(metrics):
            return
        metric = self._as_number(metrics)
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        before = Before(self)
        try:
            self._look_at(metric, epoch)
        except BaseException:
            before.return_to()
            raise

    def _looked_alone(self, metric: Any) -> bool:
        """Take a step of one group whose value is a float, outside of a cooldown; whether it was
        one."""
        held, param = self.__dict__, self.param
        groups, known = held["optimizer"].param_groups, held["_known"]
        if len(groups) != 1 or len(known) != 1 or held["cooldown_counter"]:
            return False
        group = groups[0]
        value = group.get(param)
        if type(value) is not float or group["params"] is not known[0]:
            return False
        if self._is_better(metric, held["best"]):
            held["best"], bad = metric, 0
        else:
            bad = held["num_bad_epochs"] + 1
            if bad > held["patience"]:
                if len(held["min_lrs"]) != 1:
                    return False
                group[param] = value = self._reduced(value, held["min_lrs"][0])
                bad, held["cooldown_counter"] = 0, held["cooldown"]
        held["num_bad_epochs"] = bad
        held["last_epoch"] += 1
        held["_last_lr"] = [value]
        return True

    def _look_at(self, metric: float, epoch: int | None) -> None:
        self._adopt()
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_due(metric):
            self._reduce_lr(self.last_epoch)
        self._remember()

    def _reduce_lr(self, epoch: int) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            raise RuntimeError(
                f"{type(self).__name__}: min_lrs must have a value for each of the "
                f"{len(groups)} parameter groups, got {self.min_lrs!r}"
            )
        place = Place.parse(self.param)
        for group, least in zip(groups, self.min_lrs, strict=True):
            now = float(place.read(group))
            reduced = self._reduced(now, least)
            if reduced != now:
                place.write(group, reduced)

    def _adopt(self) -> None:
        """Keep the least values with the groups they are for; new ones have the default."""
        groups, known, param = self.optimizer.param_groups, self._known, self.param
        if len(groups) == len(known) == len(self.min_lrs):
            for group, params in zip(groups, known, strict=True):
                if group["params"] is not params or type(group.get(param)) is not float:
                    break
            else:
                return  # as at nearly every step
        owner = type(self).__name__
        for group in groups:
            check_schedulable(owner, group, param)
        now, count = lists_of(groups), len(self.min_lrs)
        found = places(self._known, now) if len(self._known) == count else None
        if found is not None and None not in found:
            self.min_lrs = [self.min_lrs[place] for place in found if place is not None]
        elif count != len(now) and self.default_min_lr is not None:
            self.min_lrs = [self.default_min_lr] * len(now)
        if len(self.min_lrs) == len(now):
            self._known = now

    def _usable(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        state, name = super()._usable(state_dict), "default_min_lr"
        if state.get(name) is not None:
            state[name] = as_setting(type(self).__name__, name, state[name], AMOUNT, {})
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take up a state of this class or of torch's."""
        super().load_state_dict(state_dict)
        self._known = lists_of(self.optimizer.param_groups)
