"""Several schedulers on one optimizer: one after another, and all at once."""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau  # ours is one of these too

from thalweg.optim.lr_scheduler.beginning import begin, first_step, restore, values_of
from thalweg.optim.lr_scheduler.saved import Saved, as_list, as_mapping
from thalweg.optim.lr_scheduler.scheduler import Scheduler
from thalweg.schedules.ranges import LAST_EPOCH, WHOLE, check
from thalweg.schedules.whole import Before, leaves

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Composed(Saved, LRScheduler):
    """What the two share: members, their state, and a metric for those that want one."""

    _schedulers: Any
    _unsaved = (*Saved._unsaved, "_schedulers")
    _said_of_none = ""  # torch has two sentences
    _takes_metrics = True

    def _check_members(self, schedulers: Any, optimizer: Any) -> Any:
        """The optimizer that all members have."""
        owner = type(self).__name__
        if not isinstance(schedulers, Sequence) or isinstance(schedulers, str):
            raise TypeError(f"{owner}: schedulers must be a list of schedulers, got {schedulers!r}")
        if not schedulers:
            raise ValueError(
                f"{owner}: schedulers must be one or more, got {schedulers!r} ({owner} expects at "
                f"least one scheduler{self._said_of_none}, but got no scheduler.)"
            )
        for i, member in enumerate(schedulers):
            if not hasattr(member, "optimizer"):
                raise TypeError(
                    f"{owner}: schedulers[{i}] must be a scheduler, got {member!r} "
                    f"({owner} at index {i} should have `optimizer` as its attribute.)"
                )
            if optimizer is None:
                optimizer = member.optimizer
            if member.optimizer is not optimizer:
                raise ValueError(
                    f"{owner}: schedulers[{i}] must have the same optimizer as the others, "
                    f"got {member!r} with another ({owner} expects all schedulers to belong to the "
                    f"same optimizer, but got scheduler {type(member).__name__} at index {i} has "
                    f"{member.optimizer}, which is different from {type(optimizer).__name__}.)"
                )
        return optimizer

    def _next(self) -> Sequence[Any]:
        """The members whose `step` the next step calls."""
        raise NotImplementedError

    def _check_metrics(self, metrics: Any) -> None:
        """Raise, before any member has moved, where one wants a metric and there is none."""
        for member in self._next():
            if isinstance(member, _Composed):
                member._check_metrics(metrics)
            elif isinstance(member, ReduceLROnPlateau) and not _is_metric(metrics):
                raise TypeError(
                    f"{type(self).__name__}: metrics must be a number at a step of "
                    f"{type(member).__name__}, got {metrics!r}"
                )

    def _step_member(self, member: Any, metrics: Any) -> None:
        if isinstance(member, _Composed | ReduceLROnPlateau):
            member.step(metrics)
        else:
            member.step()

    def _update_lr(self, epoch: int | None = None) -> None:
        """What torch's `SequentialLR` asks of a member whose turn has come."""
        begin(self)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, and the states of the members."""
        state = super().state_dict()
        state["_schedulers"] = [member.state_dict() for member in self._schedulers]
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take up a state of this class or of torch's class of the same name."""
        own = self._usable(state_dict)
        before = Before(self)
        try:
            for member, saved in self._with_states(state_dict):
                member.load_state_dict(saved)
            vars(self).update(own)
        except BaseException:
            before.return_to()
            raise

    def _usable(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        state = super()._usable(state_dict)
        for i, (member, saved) in enumerate(self._with_states(state_dict)):
            as_mapping(type(self).__name__, f"_schedulers[{i}]", saved)
            if isinstance(member, Saved):
                member._usable(saved)
        return state

    def _with_states(self, state_dict: Mapping[str, Any]) -> list[tuple[Any, Any]]:
        owner = type(self).__name__
        saved = as_list(owner, "_schedulers", state_dict.get("_schedulers"))
        if len(saved) != len(self._schedulers):
            raise ValueError(
                f"{owner}: _schedulers must have {len(self._schedulers)} states, got {len(saved)}"
            )
        return list(zip(self._schedulers, saved, strict=True))


def _is_metric(metrics: Any) -> bool:
    """Whether `float` takes it, as a plateau asks."""
    try:
        float(metrics)
    except (TypeError, ValueError, RuntimeError):
        return False
    return True


def _fast_forward(member: Any, steps: int) -> None:
    """Go on from step 0 by many steps at once, when nobody edits the value between."""
    if steps > 0 and hasattr(member, "_fast_forward"):
        member._fast_forward(steps)
    else:  # one of torch's, or one that watches a metric
        _plain_steps(member, steps)


def _plain_steps(member: Any, steps: int) -> None:
    if isinstance(member, ReduceLROnPlateau):
        member.last_epoch += steps  # no metric of these steps is known
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about the order of calls
        for _ in range(steps):
            member.step()


class ChainedScheduler(_Composed, lr_scheduler.ChainedScheduler):
    """Step several schedulers at once, each moving what the one before it has left.

    Curves multiply, so a warm-up can be chained to any other: `ChainedScheduler([LinearLR(...),
    CosineAnnealingLR(...)])`. The functional form is `warmup(500) * exponential(0.999)`.

    Differs: `ReduceLROnPlateau` may be a member: `step(metrics)` hands it the metric. A step that
    fails moves no member.
    """

    _said_of_none = " to be chained"

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        self.optimizer = self._check_members(schedulers, optimizer)
        self._schedulers = schedulers
        self._last_lr = values_of(self)

    def step(self, metrics: Any = None) -> None:
        """Go on by one step; `metrics` is for a `ReduceLROnPlateau` among the members."""
        members = self._schedulers
        for member in members:
            if not isinstance(member, Scheduler):
                self._check_metrics(metrics)
                break
        before = Before(self)
        try:
            for member in members:
                if isinstance(member, Scheduler):
                    member.step()
                else:
                    self._step_member(member, metrics)
            self._last_lr = values_of(self)
        except BaseException:
            before.return_to()
            raise

    def _next(self) -> Sequence[Any]:
        members: Sequence[Any] = self._schedulers
        return members

    def _initial_step(self) -> None:
        for member in self._schedulers:
            first_step(member)
        self._last_lr = values_of(self)

    def _fast_forward(self, steps: int) -> None:
        # step by step, since closed forms would each begin at the base value
        for _ in range(steps):
            for member in self._schedulers:
                _plain_steps(member, 1)
        self._last_lr = values_of(self)


class SequentialLR(_Composed, lr_scheduler.SequentialLR):
    """Run one scheduler after another: schedulers[i + 1] takes over at step milestones[i].

    Each starts at its own step 0, from the base value. For curves it is easier to write
    `ScheduleLR(optimizer, warmup(500) >> cosine(10_000))`.

    Differs: `ReduceLROnPlateau` may be a member: `step(metrics)` hands it the metric, and it
    begins at the base value. Members made of schedulers start at their step 0, where torch is a
    step ahead or raises. Rebuilding with last_epoch=N goes to step N + 1, where torch starts over.
    Milestones out of order are refused.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        self._check_members(schedulers, optimizer)
        _check_milestones(milestones, len(schedulers))
        check("SequentialLR", last_epoch=(LAST_EPOCH, last_epoch))
        self._schedulers = schedulers
        self._milestones = milestones
        self.optimizer = optimizer
        before = Before(self)
        try:
            for member in schedulers:
                restore(member)
            self.recursive_undo()
            self._arrive(last_epoch + 1)
        except BaseException:
            before.return_to()
            raise

    def recursive_undo(self, sched: Any = None) -> None:
        """Take back the step that each member took when it was made."""
        for leaf in leaves(self if sched is None else sched):
            leaf.last_epoch -= 1

    def _index(self, t: int) -> int:
        return bisect_right(self._milestones, t)

    def _initial_step(self) -> None:
        self._arrive(0)

    def _fast_forward(self, steps: int) -> None:
        self._arrive(steps)

    def _arrive(self, t: int) -> None:
        """Bring the members from nothing to where an uninterrupted run has them at step t."""
        begins = [0, *self._milestones]
        first, now = self._index(0), self._index(t)
        begin(self._schedulers[first])
        for i in range(first, now + 1):
            until = t if i == now else begins[i + 1] - 1
            if until >= begins[i]:
                if i > first:
                    self._take_over(self._schedulers[i])
                _fast_forward(self._schedulers[i], until - begins[i])
        self.last_epoch = t
        self._last_lr = self._schedulers[now].get_last_lr()

    def _take_over(self, member: Any) -> None:
        if isinstance(member, ReduceLROnPlateau):
            begin(member)
        else:
            member._update_lr(0)

    def step(self, metrics: Any = None) -> None:
        """Go on by one step; `metrics` is for a `ReduceLROnPlateau`, when its turn has come."""
        t, milestones = self.last_epoch + 1, self._milestones
        member = self._schedulers[bisect_right(milestones, t)]
        if isinstance(member, Scheduler) and t not in milestones:  # whose step happens whole
            member.step()
            self.last_epoch, self._last_lr = t, member.get_last_lr()
            return
        self._check_metrics(metrics)
        stepping, t = self._next(), self.last_epoch + 1
        member = self._schedulers[self._index(t)]
        if stepping and isinstance(member, Saved):  # whose step happens whole
            self._step_member(member, metrics)
        else:
            self._step_whole(member, metrics, stepping)
        self.last_epoch = t
        self._last_lr = member.get_last_lr()

    def _step_whole(self, member: Any, metrics: Any, stepping: Sequence[Any]) -> None:
        before = Before(self)
        try:
            if stepping:
                self._step_member(member, metrics)
            else:
                self._take_over(member)
        except BaseException:
            before.return_to()
            raise

    def _next(self) -> Sequence[Any]:
        t = self.last_epoch + 1
        return [] if t in self._milestones else [self._schedulers[self._index(t)]]

    def _usable(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        state = super()._usable(state_dict)
        if "_milestones" in state:
            milestones = as_list("SequentialLR", "_milestones", state["_milestones"])
            _check_milestones(milestones, len(self._schedulers))
            state["_milestones"] = milestones
        return state


def _check_milestones(milestones: Any, members: int) -> None:
    if not isinstance(milestones, Sequence) or isinstance(milestones, str):
        raise TypeError(f"SequentialLR: milestones must be a list of steps, got {milestones!r}")
    if len(milestones) != members - 1:
        raise ValueError(
            f"SequentialLR: milestones must be one fewer than the {members} schedulers, "
            f"got {milestones!r} (Sequential Schedulers expects number of schedulers provided to "
            "be one more than the number of milestone points, but got number of schedulers "
            f"{members} and the number of milestones to be equal to {len(milestones)})"
        )
    for i, milestone in enumerate(milestones):
        WHOLE.check(f"SequentialLR: milestones[{i}]", milestone)
    if list(milestones) != sorted(milestones):
        raise ValueError(f"SequentialLR: milestones must be in order, got {milestones!r}")
