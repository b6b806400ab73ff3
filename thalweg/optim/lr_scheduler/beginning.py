"""Starts schedulers, ours and torch's, at their step 0, as if they had just been made."""

from __future__ import annotations

from typing import Any

from torch.optim.lr_scheduler import ReduceLROnPlateau  # ours is one of these too

from thalweg.schedules.place import Place, copied
from thalweg.schedules.whole import leaves

__all__ = ["begin", "first_step", "restore", "values_of"]


def restore(member: Any) -> None:
    """Set what a scheduler moves back to its base values."""
    for leaf in leaves(member):
        param = getattr(leaf, "param", "lr")
        place = Place.parse(param)
        for group in leaf.optimizer.param_groups:
            value = group.setdefault(f"initial_{param}", copied(place.read(group)))
            place.write(group, value)


def values_of(member: Any) -> list[Any]:
    """What the last of the schedulers in a scheduler moves, as it is now."""
    last = member
    while hasattr(last, "_schedulers"):
        last = last._schedulers[-1]
    param, groups = getattr(last, "param", "lr"), last.optimizer.param_groups
    if len(groups) == 1 and type(value := groups[0].get(param)) is float:
        return [value]
    place = Place.parse(param)
    return [copied(place.read(group)) for group in last.optimizer.param_groups]


def begin(member: Any) -> None:
    """Start a scheduler at its step 0 from the base values, as if it had just been made."""
    restore(member)
    first_step(member)


def first_step(member: Any) -> None:
    """The step that a scheduler takes when it is made."""
    if isinstance(member, ReduceLROnPlateau):  # which only looks, until it has a metric
        member.last_epoch = 0
        member._last_lr = values_of(member)
    else:
        member.last_epoch = -1
        member._initial_step()
