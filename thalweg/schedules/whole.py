"""A call that fails, or only looks, leaves schedulers and parameter groups as they were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from thalweg.number import is_tensor
from thalweg.schedules.place import Place

__all__ = ["Before", "leaves"]


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


class Before:
    """A scheduler, and all that it moves, as they are now.

        before = Before(scheduler)
        try:
            ...
        except BaseException:
            before.return_to()
            raise

    What schedulers keep is replaced and not edited, so that to remember it is to copy
    dictionaries. A rate that is a tensor is filled in place: it is copied as well. This is done at
    every step of a training, and so in the fewest calls.
    """

    __slots__ = ("_filled", "_kept")

    def __init__(self, scheduler: Any) -> None:
        state, groups = scheduler.__dict__, scheduler.optimizer.param_groups
        if "_schedulers" in state:
            held, params = [state], set()
            for each in state["_schedulers"]:
                held.append(each.__dict__)
                if "_schedulers" in held[-1]:  # made of others again
                    held += [one.__dict__ for one in _all(each)]
                    params |= {getattr(leaf, "param", "lr") for leaf in leaves(each)}
                else:
                    params.add(held[-1].get("param", "lr"))
        else:
            held, params = [state], {scheduler.param}
        self._kept = [(one, one.copy()) for one in (*held, *groups)]
        self._filled = []
        for param in params:
            for group in groups:
                if type(group.get(param)) is not float:
                    value = Place.parse(param).find(group)
                    if is_tensor(value):
                        self._filled.append((value, value.clone()))

    def return_to(self) -> None:
        """Make all of it what it was."""
        for one, before in self._kept:
            one.clear()
            one.update(before)
        for value, before in self._filled:
            value.copy_(before)
