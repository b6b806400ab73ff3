"""A call that fails leaves schedulers and parameter groups as they were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from thalweg.number import is_tensor
from thalweg.schedules.slot import Slot

__all__ = ["leaves", "whole"]


def leaves(member: Any) -> Iterable[Any]:
    """The schedulers in a scheduler that are not made of others."""
    if not hasattr(member, "_schedulers"):
        yield member
    else:
        for each in member._schedulers:
            yield from leaves(each)


def _all(member: Any) -> Iterable[Any]:
    yield member
    for each in getattr(member, "_schedulers", ()):
        yield from _all(each)


class whole:
    """`with whole(scheduler):` what happens inside happens to all it moves, or to nothing.

    What schedulers keep is replaced and not edited, so that to remember it is to copy
    dictionaries. A rate that is a tensor is filled in place: it is copied as well.
    """

    def __init__(self, scheduler: Any) -> None:
        groups = scheduler.optimizer.param_groups
        held = [*map(vars, _all(scheduler)), *groups]
        self._kept = [(one, one.copy()) for one in held]
        slots = {Slot.parse(getattr(leaf, "param", "lr")) for leaf in leaves(scheduler)}
        values = [slot.read(group) for slot in slots for group in groups if slot.key in group]
        self._filled = [(value, value.clone()) for value in values if is_tensor(value)]

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            return
        for one, before in self._kept:
            one.clear()
            one.update(before)
        for value, before in self._filled:
            value.copy_(before)
