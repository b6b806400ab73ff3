"""What the schedulers under torch's names have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from thalweg.mytorch.optim.base import BaseOptimizer
from thalweg.mytorch.optim.saved import check_state, saved_values
from thalweg.schedules.place import Place, check_param
from thalweg.schedules.preview import Previewed
from thalweg.schedules.ranges import LAST_EPOCH, check
from thalweg.schedules.whole import leaves

__all__ = ["LRScheduler", "check_optimizer"]


class LRScheduler(Previewed):
    """A scheduler of the rate, or of what `param` names: derive from it for one of your own.

    `_next` says the values of the coming step, from those in the groups; `_at` says those of any
    step, from the base values. As in torch the base value is kept in the group, as `initial_lr`,
    and a new scheduler is at step 0; `last_epoch=N` makes one that is at step N + 1.

    Differs: the state holds where a scheduler stands, not its arguments: these are given again, and
    may be others. A group added later joins at the next step. Nobody is warned of `step` before the
    optimizer's.
    """

    # the names of lists with one value for each group
    _lists: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, optimizer: BaseOptimizer, last_epoch: int = -1, *, param: str = "lr"
    ) -> None:
        self._attach(optimizer, last_epoch, param)
        groups = optimizer.param_groups
        for group in groups:
            group.setdefault(self._initial_key, float(self._place.read(group)))
        self.base_lrs = [float(group[self._initial_key]) for group in groups]
        self.last_epoch = last_epoch + 1
        self._write(self._at(self.last_epoch) if self.last_epoch else self._first())

    def _attach(self, optimizer: BaseOptimizer, last_epoch: int, param: str) -> None:
        """Check what is scheduled and from where, before anything is changed."""
        owner = type(self).__name__
        check_optimizer(owner, optimizer)
        check_param(owner, optimizer.param_groups, param)
        check(owner, last_epoch=(LAST_EPOCH, last_epoch))
        self.optimizer, self.param, self._place = optimizer, param, Place.parse(param)
        self._initial_key = f"initial_{param}"

    def _next(self, t: int) -> Sequence[float]:
        """The values of step t, which follows the one that the groups have theirs of."""
        return self._at(t)

    def _at(self, t: int) -> Sequence[float]:
        """The values of step t, whatever the groups have."""
        raise NotImplementedError(f"{type(self).__name__} has no _at(self, t)")

    def _first(self) -> Sequence[float]:
        """The values of step 0, out of those that another scheduler may have set."""
        return self._at(0)

    def step(self) -> None:
        """Go on to the next step's value; call it after the optimizer's `step`."""
        self._adopt()
        values = self._next(self.last_epoch + 1)
        self.last_epoch += 1
        self._write(values)

    def _begin(self) -> None:
        """Go back to step 0 and the base values, as if just made."""
        self._adopt()
        self._write(self.base_lrs)
        self.last_epoch = 0
        self._write(self._first())

    def _anew(self) -> None:
        for leaf in leaves(self):
            leaf._adopt()
            leaf._reset()
        self._begin()

    def _reset(self) -> None:
        """Forget what has been seen, a metric say; a hook."""

    def _values(self) -> list[float]:
        return [float(self._place.read(group)) for group in self.optimizer.param_groups]

    def _write(self, values: Sequence[float]) -> None:
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            self._place.write(group, float(value))
        self._last_lr = self._values()

    def get_last_lr(self) -> list[float]:
        """The value that the last step has set in each group."""
        return list(self._last_lr)

    def _adopt(self) -> None:
        """Take in the groups that the optimizer has been given since."""
        late = self.optimizer.param_groups[len(self.base_lrs) :]
        if not late:
            return
        owner = type(self).__name__
        check_param(owner, late, self.param)
        longer = {name: self._extended(name, len(late)) for name in self._lists}
        vars(self).update(longer)
        for group in late:
            group.setdefault(self._initial_key, self._base_of(group))
            self.base_lrs = [*self.base_lrs, float(group[self._initial_key])]
        place = len(self.base_lrs) - len(late)
        for group, value in zip(late, self._at(self.last_epoch)[place:], strict=True):
            self._place.write(group, float(value))

    def _base_of(self, group: dict[str, Any]) -> float:
        """The base value of a group that joins later."""
        return float(self._place.read(group))

    def _extended(self, name: str, more: int) -> list[Any]:
        held = getattr(self, name)
        if any(each != held[0] for each in held):
            raise ValueError(
                f"{type(self).__name__}: {name} must have a value for the {more} groups added to "
                f"the optimizer, since the others differ, got {held!r}"
            )
        return [*held, *held[:1] * more]

    def state_dict(self) -> dict[str, Any]:
        """Where it stands; the arguments have to be given again."""
        return {
            "last_epoch": self.last_epoch,
            "base_lrs": list(self.base_lrs),
            "last_lr": self.get_last_lr(),
            "param": self.param,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from where another one stood; the values themselves are in the optimizer's state.

        If the state does not fit, nothing changes.
        """
        owner = type(self).__name__
        own = self._own(state_dict)
        check_state(owner, state_dict, list(self.state_dict()), param=self.param)
        count = len(self.optimizer.param_groups)
        base = saved_values(owner, "base_lrs", state_dict["base_lrs"], count)
        last = saved_values(owner, "last_lr", state_dict["last_lr"], count)
        self._adopt()
        self.base_lrs, self._last_lr = base, last
        self.last_epoch = state_dict["last_epoch"]
        vars(self).update(own)

    def _own(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes that a class adds to a state, read from one; a hook."""
        return {}


def check_optimizer(owner: str, optimizer: Any) -> None:
    """Raise TypeError for what is no optimizer of ours."""
    if not isinstance(optimizer, BaseOptimizer):
        raise TypeError(f"{owner}: optimizer must be an Optimizer, got {optimizer!r}")
