"""Several schedulers on one optimizer: one after another, and all at once."""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau  # ours is one of these too

from thalweg.schedules.ranges import LAST_EPOCH, WHOLE, check
from thalweg.schedules.slot import Slot, copied

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Composed(LRScheduler):
    """What the two share: members, their state, and a metric for those that want one."""

    _schedulers: Sequence[Any]

    def _check_members(self, schedulers: Any, optimizer: Any) -> Any:
        """The optimizer that all members have."""
        owner = type(self).__name__
        if not isinstance(schedulers, Sequence) or isinstance(schedulers, str):
            raise TypeError(f"{owner}: schedulers must be a list of schedulers, got {schedulers!r}")
        if not schedulers:
            raise ValueError(f"{owner}: schedulers must be one or more, got {schedulers!r}")
        for i, member in enumerate(schedulers):
            if not hasattr(member, "optimizer"):
                raise TypeError(f"{owner}: schedulers[{i}] must be a scheduler, got {member!r}")
            if optimizer is None:
                optimizer = member.optimizer
            if member.optimizer is not optimizer:
                raise ValueError(
                    f"{owner}: schedulers[{i}] must have the same optimizer as the others, "
                    f"got {member!r} with another"
                )
        return optimizer

    def _step_member(self, member: Any, metrics: Any) -> None:
        if isinstance(member, _Composed):
            member.step(metrics)
        elif not isinstance(member, ReduceLROnPlateau):
            member.step()
        elif metrics is None:
            raise TypeError(
                f"{type(self).__name__}: metrics must be a number at a step of "
                f"{type(member).__name__}, got None"
            )
        else:
            member.step(metrics)

    def _update_lr(self, epoch: int | None = None) -> None:
        """What torch's `SequentialLR` asks of a member whose turn has come."""
        _begin(self)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, and the states of the members."""
        state = {key: value for key, value in vars(self).items() if key != "optimizer"}
        state["_schedulers"] = [member.state_dict() for member in self._schedulers]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a state of this class or of torch's class of the same name."""
        members = state_dict["_schedulers"]
        if len(members) != len(self._schedulers):
            raise ValueError(
                f"{type(self).__name__}: _schedulers must have {len(self._schedulers)} states, "
                f"got {len(members)}"
            )
        vars(self).update({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for member, saved in zip(self._schedulers, members, strict=True):
            member.load_state_dict(saved)


def _leaves(member: Any) -> Iterator[Any]:
    """The schedulers in a scheduler that are not made of others."""
    if not hasattr(member, "_schedulers"):
        yield member
    else:
        for each in member._schedulers:
            yield from _leaves(each)


def _restore(member: Any) -> None:
    """Set what a scheduler moves back to its base values."""
    for leaf in _leaves(member):
        param = getattr(leaf, "param", "lr")
        slot = Slot.parse(param)
        for group in leaf.optimizer.param_groups:
            value = group.setdefault(f"initial_{param}", copied(slot.read(group)))
            slot.write(group, value)


def _values(member: Any) -> list[Any]:
    """What the last of the schedulers in a scheduler moves, as it is now."""
    *_, last = _leaves(member)
    slot = Slot.parse(getattr(last, "param", "lr"))
    return [copied(slot.read(group)) for group in last.optimizer.param_groups]


def _begin(member: Any) -> None:
    """Start a scheduler at its step 0 from the base values, as if it had just been made."""
    _restore(member)
    _first_step(member)


def _first_step(member: Any) -> None:
    if isinstance(member, ReduceLROnPlateau):  # which only looks, until it has a metric
        member.last_epoch = 0
        member._last_lr = _values(member)
    else:
        member.last_epoch = -1
        member._initial_step()


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


class ChainedScheduler(_Composed):
    """Step several schedulers at once, each moving what the one before it has left.

    Curves multiply, so a warm-up can be chained to any other: `ChainedScheduler([LinearLR(...),
    CosineAnnealingLR(...)])`. The functional form is `warmup(500) * exponential(0.999)`.

    Differs: `ReduceLROnPlateau` may be a member: `step(metrics)` hands it the metric.
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        self.optimizer = self._check_members(schedulers, optimizer)
        self._schedulers = schedulers
        self._last_lr = _values(self)

    def step(self, metrics: Any = None) -> None:
        """Go on by one step; `metrics` is for a `ReduceLROnPlateau` among the members."""
        for member in self._schedulers:
            self._step_member(member, metrics)
        self._last_lr = _values(self)

    def _initial_step(self) -> None:
        for member in self._schedulers:
            _first_step(member)
        self._last_lr = _values(self)

    def _fast_forward(self, steps: int) -> None:
        # step by step, since closed forms would each begin at the base value
        for _ in range(steps):
            for member in self._schedulers:
                _plain_steps(member, 1)
        self._last_lr = _values(self)


class SequentialLR(_Composed):
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
        for member in schedulers:
            _restore(member)
        self.recursive_undo()
        self._arrive(last_epoch + 1)

    def recursive_undo(self, sched: Any = None) -> None:
        """Take back the step that each member took when it was made."""
        for leaf in _leaves(self if sched is None else sched):
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
        _begin(self._schedulers[first])
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
            _begin(member)
        else:
            member._update_lr(0)

    def step(self, metrics: Any = None) -> None:
        """Go on by one step; `metrics` is for a `ReduceLROnPlateau`, when its turn has come."""
        self.last_epoch += 1
        i = self._index(self.last_epoch)
        member = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            self._take_over(member)
        else:
            self._step_member(member, metrics)
        self._last_lr = member.get_last_lr()


def _check_milestones(milestones: Any, members: int) -> None:
    if not isinstance(milestones, Sequence) or isinstance(milestones, str):
        raise TypeError(f"SequentialLR: milestones must be a list of steps, got {milestones!r}")
    if len(milestones) != members - 1:
        raise ValueError(
            f"SequentialLR: milestones must be one fewer than the {members} schedulers, "
            f"got {milestones!r}"
        )
    for i, milestone in enumerate(milestones):
        WHOLE.check(f"SequentialLR: milestones[{i}]", milestone)
    if list(milestones) != sorted(milestones):
        raise ValueError(f"SequentialLR: milestones must be in order, got {milestones!r}")
