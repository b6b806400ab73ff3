"""What the schedulers here share: torch's protocol, for any hyper-parameter and any group."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from torch.optim import Optimizer
from torch.optim.lr_scheduler import EPOCH_DEPRECATION_WARNING, LRScheduler

from thalweg.number import is_tensor
from thalweg.optim.lr_scheduler.following import Following
from thalweg.optim.lr_scheduler.groups import lists_of, places, shortened
from thalweg.optim.lr_scheduler.order import warn_of_order, watch
from thalweg.optim.lr_scheduler.saved import Saved, apart
from thalweg.schedules.place import (
    Place,
    check_param,
    check_schedulable,
    copied,
    for_each_group,
)
from thalweg.schedules.ranges import LAST_EPOCH, check
from thalweg.schedules.whole import Before

__all__ = ["Scheduler", "check_optimizer", "for_added_group", "per_group_values"]

_OTHER_LENGTH = (
    "{name} must have the same length as optimizer.param_groups. {name} has {got} values, "
    "param_groups has {count}."
)

# What the rebuilding of a scheduler has left in the groups, by parameter: a second scheduler
# that is rebuilt on the same optimizer knows by it that nobody else has set the value since.
_left_by_rebuilding: WeakKeyDictionary[Optimizer, dict[str, list[float]]] = WeakKeyDictionary()


class Scheduler(Following, Saved, LRScheduler):
    """A scheduler of any hyper-parameter: derive from it, say in `get_lr` what comes next.

    As torch's `LRScheduler`, with four differences. `param` names what is scheduled: "lr", or
    "weight_decay", "momentum", "betas[0]"; the base value is kept in the group as `initial_lr`,
    or `initial_weight_decay`. A parameter group added later joins the schedule where it is, at
    the scheduler's next step, and one that is taken away leaves it. A step that fails changes
    nothing. With `last_epoch=N` the value is that of step N + 1, whether the optimizer's state was
    loaded before or not.

    Whether it was is told by the value. Where a group has no initial value, or still has it, or
    has what the rebuilding of another scheduler left, the first N + 1 steps are yet to be applied.
    Where it has what step N leaves, the last of them is. Any other value was edited, or is
    another scheduler's too: it is treated as torch treats it.
    """

    _unsaved = (*Saved._unsaved, "_known")
    _lists: ClassVar[tuple[str, ...]] = ("base_lrs",)
    _given: ClassVar[tuple[str, ...]] = ()  # lists for each group that no state holds
    _pending: Collection[int] = ()  # while it is made: the groups that have yet to catch up
    _known: Sequence[Any] = ()  # by what the groups of `base_lrs` are known
    # whether torch's class of the name moves a value that it finds when it is made at a step
    _moves_when_made: ClassVar[bool] = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1, param: str = "lr") -> None:
        self._attach(optimizer, last_epoch, param)
        groups = optimizer.param_groups
        self._pending = [i for i in range(len(groups)) if self._is_pending(i)]
        for group in groups:
            group.setdefault(self._initial_key, copied(self._place.read(group)))
        self.base_lrs = self._bases()
        self._known = lists_of(groups)
        self.last_epoch = last_epoch
        watch(optimizer)
        self._initial_step()
        if last_epoch != -1 and self._pending:
            left = _left_by_rebuilding.setdefault(optimizer, {})
            left[param] = [float(self._place.read(group)) for group in groups]
        del self._pending

    def _attach(self, optimizer: Optimizer, last_epoch: int, param: str) -> None:
        """Check what is scheduled and from where, before anything is changed."""
        owner = type(self).__name__
        check_optimizer(owner, optimizer)
        check_param(owner, optimizer.param_groups, param)
        check(owner, last_epoch=(LAST_EPOCH, last_epoch))
        self.optimizer = optimizer
        if param != "lr":  # else not an attribute, and so not in the state: torch's has none
            self.param = param

    def _bases(self) -> list[Any]:
        """The value in each group that the schedule starts from."""
        return [copied(group[self._initial_key]) for group in self.optimizer.param_groups]

    def _is_pending(self, i: int) -> bool:
        group = self.optimizer.param_groups[i]
        if self._initial_key not in group:
            return True
        value = float(self._place.read(group))
        left = _left_by_rebuilding.get(self.optimizer, {}).get(self.param, [])
        return value == float(group[self._initial_key]) or left[i : i + 1] == [value]

    @property
    def _place(self) -> Place:
        return Place.parse(self.param)

    @property
    def _initial_key(self) -> str:
        return f"initial_{self.param}"

    def _values(self) -> list[Any]:
        """What is in the groups now; to be multiplied, not to be kept."""
        place = self._place
        return [place.read(group) for group in self.optimizer.param_groups]

    def _copies(self) -> list[Any]:
        return [copied(value) for value in self._values()]

    def _resumed(self) -> list[Any]:
        """The values at `last_epoch` of a scheduler that is being made there."""
        return [self._resumed_one(value, i) for i, value in enumerate(self._copies())]

    def _resumed_one(self, value: Any, i: int) -> Any:
        t = self.last_epoch
        if i in self._pending:
            return self._caught_up(value, i, t)
        before, here = (float(self._caught_up(self.base_lrs[i], i, at)) for at in (t - 1, t))
        off_before, off_here = (abs(float(value) - at) for at in (before, here))
        # what thousands of roundings may add up to, far less than an edit
        near = (1e-5 if is_tensor(value) else 1e-9) * max(abs(before), abs(here))
        if min(off_before, off_here) > near:
            return self._moved(value, i) if self._moves_when_made else value
        return value if off_here <= off_before else self._moved(value, i)

    def _moved(self, value: Any, i: int) -> Any:
        """A value at the step before `last_epoch`, moved along to it."""
        return self._caught_up(self.base_lrs[i], i, self.last_epoch)

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def step(self, epoch: int | None = None) -> None:
        """Go on by one step; call it after the optimizer's `step`.

        With `epoch` (deprecated, as in torch) go to that step, by the closed form if there is one.
        """
        held = self.__dict__
        if epoch is None and held["_step_count"] > 1 and self._stepped_alone(held):
            held["_step_count"] += 1
            return
        if self._step_count == 1:
            warn_of_order(self.optimizer)
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        elif self._followed_on():
            return
        before = Before(self)
        try:
            self._step_count += 1
            self._update_lr(epoch)
        except BaseException:
            before.return_to()
            raise

    def _update_lr(self, epoch: int | None = None) -> None:
        self._adopt()
        self._get_lr_called_within_step = True
        try:
            if epoch is None:
                self.last_epoch += 1
                values = self.get_lr()
            else:
                self.last_epoch = epoch
                values = self._get_closed_form_lr()
        finally:
            self._get_lr_called_within_step = False
        self._write(values)

    def _fast_forward(self, steps: int) -> None:
        """Go on from step 0 by many steps at once, when nobody edits the value between."""
        self._update_lr(steps)

    def _write(self, values: Sequence[Any]) -> None:
        place, groups = self._place, self.optimizer.param_groups
        for group, value in zip(groups, values, strict=True):
            place.write(group, value)
        self._last_lr = self._copies()

    def _get_closed_form_lr(self) -> list[Any]:
        """The values at `last_epoch`; where they have no form of their own, as a step has them."""
        return self.get_lr()

    def _warn_outside_of_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, "
                "please use `get_last_lr()`.",
                UserWarning,
                stacklevel=3,
            )

    def _adopt(self) -> None:
        """Take in the groups the optimizer has been given since, let go of those taken away."""
        groups, known, param = self.optimizer.param_groups, self._known, self.param
        if len(groups) == len(known) == len(self.base_lrs):
            for group, params in zip(groups, known, strict=True):
                if group["params"] is not params or type(group.get(param)) is not float:
                    break
            else:
                return  # as at nearly every step
        for group in groups:
            check_schedulable(type(self).__name__, group, param)
        now = lists_of(groups)
        if len(now) != len(self.base_lrs) or any(map(operator.is_not, now, known)):
            self._regroup(now)

    def _regroup(self, now: Sequence[Any]) -> None:
        count = len(self.base_lrs)
        known = self._known if len(self._known) == count else [None] * count
        found = places(known, now)
        if found is None:
            self._shorten(len(now))
            found = [*range(len(now))]
        else:
            self._select([place for place in found if place is not None], count)
        for at, place in enumerate(found):
            if place is None:
                self._join(at)
        self._known = now

    @property
    def _per_group(self) -> list[str]:
        """The attributes that are a list with one value for each group."""
        return [name for name in (*self._lists, *self._given) if hasattr(self, name)]

    def _select(self, places: Sequence[int], count: int) -> None:
        """Keep, of the values of `count` groups, some, in this order; what follows stays."""
        for name in self._per_group:
            values = getattr(self, name)
            setattr(self, name, [*(values[place] for place in places), *values[count:]])

    def _shorten(self, count: int) -> None:
        owner = type(self).__name__
        for name in self._per_group:
            values = getattr(self, name)
            if name == "base_lrs":  # which the groups know themselves
                pairs = zip(self.optimizer.param_groups, values, strict=False)
                values = [copied(group.get(self._initial_key, base)) for group, base in pairs]
            elif len(values) > count:
                values = shortened(owner, name, values, count)
            setattr(self, name, values)

    def _join(self, at: int) -> None:
        """Take in a group that was added."""
        group, count = self.optimizer.param_groups[at], len(self.base_lrs)
        self._prepare(group, count)
        group.setdefault(self._initial_key, copied(self._place.read(group)))
        self.base_lrs = [*self.base_lrs, copied(group[self._initial_key])]
        self._select([*range(at), count, *range(at, count)], count + 1)
        if self.last_epoch >= 0:
            self._place.write(group, self._caught_up(self._place.read(group), at, self.last_epoch))

    def _prepare(self, group: dict[str, Any], i: int) -> None:
        """Add to the lists of this scheduler, where i values are, that of a group added later."""

    def _caught_up(self, value: Any, i: int, t: float) -> Any:
        """What becomes until step t of a value that group i has before the first."""
        return value

    def _usable(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        state = super()._usable(state_dict)
        count = len(state.get("base_lrs", self.base_lrs))
        for name in self._lists:
            values = state.get(name, getattr(self, name, None))
            if values is not None and len(values) != count:
                raise ValueError(
                    f"{type(self).__name__}: {name} must have one value for each of the {count} "
                    f"parameter groups of base_lrs, got {values!r}"
                )
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take up a state of this class or of torch's class of the same name."""
        functions = self._functions_of(state_dict)
        before = Before(self)
        try:
            vars(self).update(self._usable(state_dict))
            groups = self.optimizer.param_groups
            if len(groups) < len(self.base_lrs):  # some were taken away
                self._shorten(len(groups))
            self._known = lists_of(groups)[: len(self.base_lrs)]
            for name in self._given:  # some were added
                for i in range(len(getattr(self, name)), len(self._known)):
                    self._prepare(groups[i], i)
        except BaseException:
            before.return_to()
            raise
        for function, kept in functions:
            if kept is not None:
                vars(function).update(apart(kept))
        self._loaded()

    def _functions_of(self, state_dict: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        """The user's functions, each with the attributes that a state has for it, or None; a hook.

        They must be those it was saved with.
        """
        return []

    def _loaded(self) -> None:
        """Follow what a state has brought; a hook."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        watch(self.optimizer)  # a copy of an optimizer is without what was put on its step


def check_optimizer(owner: str, optimizer: Any) -> None:
    """Raise TypeError for what is no torch optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"{owner}: optimizer must be an Optimizer, got {optimizer!r} "
            f"({type(optimizer).__name__} is not an Optimizer)"
        )


def per_group_values(
    owner: str,
    name: str,
    optimizer: Optimizer,
    value: Any,
    check: Callable[[str, Any], None],
    words: str = _OTHER_LENGTH,
) -> list[Any]:
    """One value for each group of an optimizer; of a list of another length in torch's `words`."""
    return for_each_group(owner, name, value, len(optimizer.param_groups), check, words)


def for_added_group(owner: str, group: dict[str, Any], name: str, values: Sequence[Any]) -> Any:
    """What a scheduler keeps for each group, for one added later: its own, or what all have."""
    if name in group:
        return group[name]
    if any(float(each) != float(values[0]) for each in values):
        raise ValueError(
            f"{owner}: {name} must have a value for the parameter group that was added, since the "
            f"others differ, got {list(values)!r}; put it into the group as {name!r}"
        )
    return copied(values[0])
