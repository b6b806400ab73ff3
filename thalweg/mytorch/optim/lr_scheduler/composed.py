"""Several schedulers on one optimizer: one after another, and all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from thalweg.mytorch.optim.lr_scheduler.base import LRScheduler, check_optimizer
from thalweg.mytorch.optim.lr_scheduler.plateau import ReduceLROnPlateau
from thalweg.mytorch.optim.optimizer import Optimizer
from thalweg.mytorch.optim.saved import check_state
from thalweg.schedules.ranges import LAST_EPOCH, WHOLE, check
from thalweg.schedules.whole import leaves

__all__ = ["ChainedScheduler", "SequentialLR"]


class _Composed(LRScheduler):
    """What the two share: members, their state, and a metric for those that want one."""

    _schedulers: Sequence[LRScheduler]

    _takes_metrics = True

    def step(self, metrics: Any = None) -> None:
        """Go on by one step; `metrics` is for a `ReduceLROnPlateau` among the members."""
        self._check_metrics(metrics)
        self.last_epoch += 1
        self._step(metrics)

    def _step(self, metrics: Any) -> None:
        raise NotImplementedError

    def _coming(self) -> Sequence[LRScheduler]:
        """The members whose turn it is at the next step."""
        raise NotImplementedError

    def _check_metrics(self, metrics: Any) -> None:
        """Raise, before any member moves, where one of them wants a metric and there is none."""
        for member in self._coming():
            if isinstance(member, _Composed):
                member._check_metrics(metrics)
            elif isinstance(member, ReduceLROnPlateau) and not hasattr(metrics, "__float__"):
                raise TypeError(
                    f"{type(self).__name__}: metrics must be a number at a step of "
                    f"ReduceLROnPlateau, got {metrics!r}"
                )

    def get_last_lr(self) -> list[float]:
        """The value that the last step has set in each group."""
        return self._schedulers[-1].get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Where it stands, and where its members do."""
        return {
            "last_epoch": self.last_epoch,
            "param": self.param,
            "schedulers": [member.state_dict() for member in self._schedulers],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from where another one stood; if the state does not fit, nothing changes."""
        owner = type(self).__name__
        check_state(owner, state_dict, self.state_dict(), self.param)
        saved = state_dict["schedulers"]
        if not isinstance(saved, list) or len(saved) != len(self._schedulers):
            raise ValueError(
                f"{owner}: the state must have {len(self._schedulers)} schedulers, "
                f"got {saved!r:.100}"
            )
        before = [member.state_dict() for member in self._schedulers]
        try:
            for member, state in zip(self._schedulers, saved, strict=True):
                member.load_state_dict(state)
        except BaseException:
            for member, state in zip(self._schedulers, before, strict=True):
                member.load_state_dict(state)
            raise
        self.last_epoch = state_dict["last_epoch"]


class ChainedScheduler(_Composed):
    """Step several schedulers at once, each moving what the one before it has left.

    Curves multiply, so a warm-up can be chained to any other: `ChainedScheduler([LinearLR(...),
    CosineAnnealingLR(...)])`. The functional form is `warmup(500) * exponential(0.999)`.

    Differs: `ReduceLROnPlateau` may be a member: `step(metrics)` hands it the metric.
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        self._schedulers = _checked("ChainedScheduler", schedulers, optimizer)
        self.optimizer, self.param = self._schedulers[0].optimizer, self._schedulers[-1].param
        self.last_epoch = 0

    def _coming(self) -> Sequence[LRScheduler]:
        return self._schedulers

    def _step(self, metrics: Any) -> None:
        for member in self._schedulers:
            _step_one(member, metrics)

    def _begin(self) -> None:
        self.last_epoch = 0
        for leaf in leaves(self):
            leaf._adopt()
            leaf._write(leaf.base_lrs)
        for leaf in leaves(self):
            leaf.last_epoch = 0
            leaf._write(leaf._first())


class SequentialLR(_Composed):
    """Run one scheduler after another: schedulers[i + 1] takes over at step milestones[i].

    Each starts at its own step 0, from the base value. For curves it is easier to write
    `Scheduler(optimizer, warmup(500) >> cosine(10_000))`.

    Differs: `ReduceLROnPlateau` may be a member: `step(metrics)` hands it the metric. With
    last_epoch=N it goes to step N + 1, where torch starts over. Milestones out of order are
    refused.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        check_optimizer("SequentialLR", optimizer)
        members = _checked("SequentialLR", schedulers, optimizer)
        _check_milestones(milestones, len(members))
        check("SequentialLR", last_epoch=(LAST_EPOCH, last_epoch))
        self._schedulers, self._milestones = members, list(milestones)
        self.optimizer, self.param = optimizer, members[-1].param
        self._begin()
        for _ in range(last_epoch + 1):
            self.last_epoch += 1
            self._step(None)

    def _begin(self) -> None:
        self.last_epoch = 0
        for leaf in leaves(self):
            leaf._write(leaf.base_lrs)
        self._member(0)._begin()

    def _member(self, t: int) -> LRScheduler:
        return self._schedulers[bisect_right(self._milestones, t)]

    def _coming(self) -> Sequence[LRScheduler]:
        t = self.last_epoch + 1
        return [] if t in self._milestones else [self._member(t)]

    def _step(self, metrics: Any) -> None:
        member = self._member(self.last_epoch)
        if self.last_epoch in self._milestones:
            member._begin()
        elif metrics is not None or not isinstance(member, ReduceLROnPlateau):
            _step_one(member, metrics)

    def get_last_lr(self) -> list[float]:
        """The value that the last step has set in each group."""
        return self._member(self.last_epoch).get_last_lr()


def _step_one(member: LRScheduler, metrics: Any) -> None:
    if isinstance(member, _Composed | ReduceLROnPlateau):
        member.step(metrics)
    else:
        member.step()


def _checked(owner: str, schedulers: Any, optimizer: Any) -> list[LRScheduler]:
    if not isinstance(schedulers, Sequence) or isinstance(schedulers, str):
        raise TypeError(f"{owner}: schedulers must be a list of schedulers, got {schedulers!r}")
    if not schedulers:
        raise ValueError(f"{owner}: schedulers must be one or more, got {schedulers!r}")
    for i, member in enumerate(schedulers):
        if not isinstance(member, LRScheduler):
            raise TypeError(f"{owner}: schedulers[{i}] must be a scheduler, got {member!r}")
        if member.optimizer is not (optimizer or schedulers[0].optimizer):
            raise ValueError(
                f"{owner}: schedulers[{i}] must have the same optimizer as the others, "
                f"got {member!r} with another"
            )
    return list(schedulers)


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
