"""What the schedulers here share: torch's protocol, for any hyper-parameter and any group."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any
from weakref import WeakKeyDictionary, ref

from torch.optim import Optimizer
from torch.optim.lr_scheduler import EPOCH_DEPRECATION_WARNING, LRScheduler

from thalweg.schedules.ranges import LAST_EPOCH, check
from thalweg.schedules.slot import Slot, check_param, copied

__all__ = ["Scheduler", "check_optimizer", "check_saved", "for_added_group", "per_group_values"]

# What the rebuilding of a scheduler has left in the groups, by parameter: a second scheduler
# that is rebuilt on the same optimizer knows by it that nobody else has set the value since.
_left_by_rebuilding: WeakKeyDictionary[Optimizer, dict[str, list[float]]] = WeakKeyDictionary()


class Scheduler(LRScheduler):
    """A scheduler of any hyper-parameter: derive from it, say in `get_lr` what comes next.

    As torch's `LRScheduler`, with three differences. `param` names what is scheduled: "lr", or
    "weight_decay", "momentum", "betas[0]"; the base value is kept in the group as `initial_lr`,
    or `initial_weight_decay`. A parameter group added later joins the schedule where it is, at
    the scheduler's next step. With `last_epoch=N` the value is that of step N + 1, whether the
    optimizer's state was loaded before or not.

    Whether it was is told by the value: where a group has no initial value, or still has it, or
    has what the rebuilding of another scheduler left, the first N + 1 steps are yet to be applied.
    """

    param: str = "lr"
    # Attributes that torch's class of the same name does not save, so that states interchange.
    _unsaved: tuple[str, ...] = ("optimizer",)
    _pending: Collection[int] = ()  # while it is made: the groups that have yet to catch up

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1, param: str = "lr") -> None:
        self._attach(optimizer, last_epoch, param)
        groups = optimizer.param_groups
        self._pending = [i for i in range(len(groups)) if self._is_pending(i)]
        for group in groups:
            group.setdefault(self._initial_key, copied(self._slot.read(group)))
        self.base_lrs = [copied(group[self._initial_key]) for group in groups]
        self.last_epoch = last_epoch
        _watch(optimizer)
        self._initial_step()
        if last_epoch != -1 and self._pending:
            left = _left_by_rebuilding.setdefault(optimizer, {})
            left[param] = [float(self._slot.read(group)) for group in groups]
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

    def _is_pending(self, i: int) -> bool:
        group = self.optimizer.param_groups[i]
        if self._initial_key not in group:
            return True
        value = float(self._slot.read(group))
        left = _left_by_rebuilding.get(self.optimizer, {}).get(self.param, [])
        return value == float(group[self._initial_key]) or left[i : i + 1] == [value]

    @property
    def _slot(self) -> Slot:
        return Slot.parse(self.param)

    @property
    def _initial_key(self) -> str:
        return f"initial_{self.param}"

    def _values(self) -> list[Any]:
        """What is in the groups now; to be multiplied, not to be kept."""
        return [self._slot.read(group) for group in self.optimizer.param_groups]

    def _copies(self) -> list[Any]:
        return [copied(value) for value in self._values()]

    def _resumed(self) -> list[Any]:
        """The values at `last_epoch` of a scheduler that is being made there."""
        return [
            self._caught_up(value, i) if i in self._pending else value
            for i, value in enumerate(self._copies())
        ]

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
        if self._step_count == 1:
            _warn_of_order(self.optimizer)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

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
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            self._slot.write(group, value)
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
        """Take in the groups that the optimizer has been given since."""
        groups = self.optimizer.param_groups
        if len(groups) < len(self.base_lrs):
            raise ValueError(
                f"{type(self).__name__}: optimizer must have the {len(self.base_lrs)} parameter "
                f"groups it had before, got {len(groups)}"
            )
        for i in range(len(self.base_lrs), len(groups)):
            group = groups[i]
            self._prepare(group, i)
            group.setdefault(self._initial_key, copied(self._slot.read(group)))
            self.base_lrs = [*self.base_lrs, copied(group[self._initial_key])]
            if self.last_epoch >= 0:
                self._slot.write(group, self._caught_up(self._slot.read(group), i))

    def _prepare(self, group: dict[str, Any], i: int) -> None:
        """Give a group added later what this scheduler keeps for each."""

    def _caught_up(self, value: Any, i: int) -> Any:
        """The value that group i would have at `last_epoch`, had it been there from the start."""
        return value

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, under the keys that torch's class has."""
        return {key: value for key, value in vars(self).items() if key not in self._unsaved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a state of this class or of torch's class of the same name."""
        check_saved(self, state_dict)
        vars(self).update(state_dict)

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        _watch(self.optimizer)  # a copy of an optimizer is without what was put on its step


def check_saved(scheduler: Any, state_dict: dict[str, Any]) -> None:
    """Raise for a state that is of another hyper-parameter."""
    saved = state_dict.get("param", "lr")
    if saved != scheduler.param:
        raise ValueError(
            f"{type(scheduler).__name__}: param must be {scheduler.param!r} in the state, "
            f"got {saved!r}"
        )


def check_optimizer(owner: str, optimizer: Any) -> None:
    """Raise TypeError for what is no torch optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{owner}: optimizer must be an Optimizer, got {optimizer!r}")


def per_group_values(
    owner: str, name: str, optimizer: Optimizer, value: Any, check: Callable[[str, Any], None]
) -> list[Any]:
    """One value for each group, out of one for all of them or a list of as many, each checked."""
    count = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        check(f"{owner}: {name}", value)
        return [copied(value) for _ in range(count)]
    if len(value) != count:
        raise ValueError(
            f"{owner}: {name} must have one value for each of the {count} parameter groups, "
            f"got {value!r}"
        )
    for i, each in enumerate(value):
        check(f"{owner}: {name}[{i}]", each)
    return [copied(each) for each in value]


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


def _watch(optimizer: Optimizer) -> None:
    """Let the optimizer note that it has stepped, under the names that torch's schedulers use."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    owner = ref(optimizer)  # the optimizer will hold the function: no circle
    plain = getattr(optimizer.step, "__func__", None)
    if plain is None:  # somebody's own function, not a method
        return

    @functools.wraps(plain)
    def step(*args: Any, **kwargs: Any) -> Any:
        stepping = owner()
        stepping._opt_called = True  # type: ignore[union-attr]
        return plain(stepping, *args, **kwargs)

    step._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer.step = step  # type: ignore[method-assign]


def _warn_of_order(optimizer: Optimizer) -> None:
    if not hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        message = (
            "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
            "initialization, so whether it is called before `lr_scheduler.step()` cannot be seen."
        )
    elif not getattr(optimizer, "_opt_called", False):
        message = (
            "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them the other "
            "way round: as it is, the first value of the schedule is skipped."
        )
    else:
        return
    warnings.warn(message, UserWarning, stacklevel=3)
