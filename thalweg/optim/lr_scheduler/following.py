"""The usual step of a scheduler, from one known value to the next, in the fewest calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thalweg.schedules.place import copied

__all__ = ["Following"]


class Following:
    """What takes the steps at which nothing else has changed: groups that are known, with floats.

    A class that says what comes next in `get_lr` alone is asked there at every step.
    """

    optimizer: Any
    param: str
    base_lrs: list[Any]
    last_epoch: int
    _known: Sequence[Any]
    _is_initial: bool
    _step_count: int
    _last_lr: list[Any]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "get_lr" in vars(cls) and "_next_of" not in vars(cls):
            cls._next_of = Following._next_of  # type: ignore[method-assign]

    def _stepped_alone(self, held: dict[str, Any]) -> bool:
        """Take the usual step of one group whose value is a float; whether it was one. Half of a
        scheduler's time is attributes, which stand in `held`."""
        groups, known = held["optimizer"].param_groups, held["_known"]
        if not len(groups) == len(known) == len(held["base_lrs"]) == 1 or held["_is_initial"]:
            return False
        group, param, t = groups[0], self.param, held["last_epoch"] + 1
        value = group.get(param)
        if type(value) is not float or group["params"] is not known[0]:
            return False
        held["last_epoch"] = t  # a user's function may ask
        try:
            found = self._next_of(value, t, held)
        except BaseException:
            held["last_epoch"] = t - 1
            raise
        if found is None:
            held["last_epoch"] = t - 1
            return False
        group[param] = found
        held["_last_lr"] = [found if type(found) is float else copied(found)]
        return True

    def _next_of(self, value: float, t: int, held: dict[str, Any]) -> Any:
        """What the step to t makes of the value of the only group; None where only `get_lr` can
        say it. `held` are the attributes."""
        return None

    def _followed_on(self) -> bool:
        """Take the usual step, from one known value to the next, in the fewest calls; whether it
        was one: the groups are those of before, and their values floats."""
        param, groups, known, held = self.param, self.optimizer.param_groups, self._known, []
        if self._is_initial or not len(groups) == len(known) == len(self.base_lrs):
            return False
        for group, params in zip(groups, known, strict=True):
            value = group.get(param)
            if type(value) is not float or group["params"] is not params:
                return False
            held.append(value)
        epoch, count, last = self.last_epoch, self._step_count, self._last_lr
        try:
            self.last_epoch, self._step_count = epoch + 1, count + 1
            values = self._following(held)
            if values is not None:
                for group, value in zip(groups, values, strict=True):
                    group[param] = value
                self._last_lr = list(map(copied, values))
                return True
        except BaseException:
            self.last_epoch, self._step_count, self._last_lr = epoch, count, last
            for group, value in zip(groups, held, strict=True):
                group[param] = value
            raise
        self.last_epoch, self._step_count = epoch, count
        return False

    def _following(self, values: list[float]) -> Sequence[Any] | None:
        """What the step to `last_epoch` makes of these values, where nothing else changes; None
        where only `get_lr` can say it."""
        return None
