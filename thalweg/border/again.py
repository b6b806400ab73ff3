"""What of an optimizer a prepared step rests on, whatever its arrays are: the groups, as they were.

A setting that has another value is read anew; a group that has other parameters, another filter or
other states under its settings makes another step.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from operator import is_, itemgetter
from types import SimpleNamespace
from typing import Any, Protocol

from thalweg.border.groups import Lot, lots
from thalweg.chain import Chain, Slot
from thalweg.choice import BLOCKS
from thalweg.either import OTHERS
from thalweg.fuse.expected import ABSENT, NEVER
from thalweg.fuse.whole import finish

__all__ = ["PreparedSteps", "StandingGroups"]

_PLAIN = (float, int, str, type(None))
_LONGEST = 31  # steps


class Prepared(Protocol):
    """A step that a border has prepared."""

    def fits(self, opt: Any) -> bool:
        """Whether the next step is this one; if so, all is settled, and nothing has moved."""

    def move(self) -> None:
        """Take it: called again, it does what is left of it."""

    def let_go(self) -> None:
        """The gradients are nobody's business any more."""


class PreparedSteps:
    """The prepared step of an optimizer, if there is one: taken where it fits, else made anew.

    Not for the first step, and not again and again where something is another at every step.
    """

    def __init__(self) -> None:
        self._step: Prepared | None = None
        self._wait, self._left, self._since = 0, 1, 0
        self._failed: Exception | None = None
        self.taken = 0
        """How many prepared steps there were; for tests."""

    def take(self, opt: Any) -> bool:
        """Take a step, if it is the prepared one."""
        step = self._step
        if step is None:
            self._failed = None
            return False
        try:
            try:
                fits = step.fits(opt)
            except Exception as error:  # what no step can take, the long way says
                fits, self._failed = False, error
            if fits:
                finish(step.move)
                self.taken += 1
                self._since += 1
                return True
        finally:
            step.let_go()
        self._disappointed()
        return False

    def prepare(self, make: Callable[[], Prepared | None]) -> None:
        """A step was taken the long way: prepare the next one, where that can be done."""
        failed, self._failed = self._failed, None
        if failed is not None:  # and the long way has not
            _tell(failed)
        self._left -= 1
        if self._left >= 0:
            return
        try:
            self._step = make()
        except Exception as error:
            self._step = None
            _tell(error)
        if self._step is None:
            self._disappointed()

    def _disappointed(self) -> None:
        """What was prepared does not fit, or nothing could be: longer and longer, wait."""
        self._step, was_worth_it = None, self._since > self._wait
        self._wait = self._wait // 2 if was_worth_it else min(2 * self._wait + 1, _LONGEST)
        self._left, self._since = self._wait, 0


def _tell(error: Exception) -> None:
    """Say of a step that has been taken that it should have been prepared: that is a fault, which
    costs time and changes no number, so that it stops nobody."""
    told = f"{type(error).__name__}: {error}"
    warnings.warn(
        f"thalweg: a step went the long way, since to prepare it failed with {told}; "
        "its numbers are right, and this is an error in thalweg",
        RuntimeWarning,
        stacklevel=2,
    )


class _Group:
    """One group as it was when its step was prepared."""

    def __init__(self, chain: Chain, group: Mapping[str, Any]) -> None:
        self._each = list(group["params"])
        self._filter = _frozen(group.get("decay_filter")), _frozen(group.get("param_names"))
        self._others = group.get(OTHERS)
        self._blocks = [group.get(name) for name in BLOCKS]
        names = [name for name in [*chain.settings, *BLOCKS] if name in group]
        self._absent = {*chain.settings, *BLOCKS} - group.keys()
        self._read = itemgetter(*names, *names[:1]) if names else tuple  # of two at least: a tuple
        self.take(group)

    def take(self, group: Mapping[str, Any]) -> None:
        """Remember its settings; those that it lacks have their defaults."""
        self._values = tuple(map(_frozen, self._read(group)))

    def has_same_settings(self, group: Mapping[str, Any]) -> bool:
        if self._absent and not self._absent.isdisjoint(group):
            return False
        return bool(self._read(group) == self._values)

    def has_same_parameters(self, group: Mapping[str, Any]) -> bool:
        """Whether they are the same objects, treated as they were."""
        params = group["params"]
        if len(params) != len(self._each) or not all(map(is_, params, self._each)):
            return False
        if group.get(OTHERS) != self._others:
            return False
        if [group.get(name) for name in BLOCKS] != self._blocks:
            return False  # what is cut into blocks is stepped otherwise
        if self._filter[0] is None:
            return group.get("decay_filter") is None
        return self._filter == (group.get("decay_filter"), group.get("param_names"))


def _is_lasting(value: Any) -> bool:
    """Whether a value stays what it is."""
    return isinstance(value, _PLAIN) or (
        type(value) is tuple and all(isinstance(one, _PLAIN) for one in value)
    )


def _frozen(value: Any) -> Any:
    """A value to compare with later: equal only to what is certainly the same setting."""
    if _is_lasting(value):
        return value
    if type(value) is list and all(map(_is_lasting, value)):
        return list(value)
    return object()  # it may change in place: never the same


class StandingGroups:
    """The groups of an optimizer as they were when a step was prepared."""

    def __init__(
        self,
        chain: Chain,
        groups: Sequence[Mapping[str, Any]],
        all_lots: Sequence[Lot],
        live: Sequence[Sequence[Slot]],
    ) -> None:
        self._chain, self._lots, self._live = chain, all_lots, live
        self.names = [*chain.settings, *BLOCKS, "decay_filter", OTHERS]
        """The keys that a step reads."""
        self._groups = [_Group(chain, group) for group in groups]
        # of one chain all parameters are treated alike, but for the decay
        self._sorts = bool(chain.choice.numbers or chain.by_type)
        sizes = [len(self._lots_of(group)) for group in groups]
        numbers = iter(range(len(all_lots)))
        self.lots_of = [[next(numbers) for _ in range(size)] for size in sizes]

    def changes(
        self, groups: Sequence[Mapping[str, Any]]
    ) -> list[tuple[int, list[SimpleNamespace]]] | None:
        """The lots whose settings have changed, with what their parts see now; None where it is
        another step. Raises what their settings make it raise."""
        if len(groups) != len(self._groups):
            return None
        found = []
        for i, (group, known) in enumerate(zip(groups, self._groups, strict=True)):
            if not known.has_same_parameters(group):
                return None
            if known.has_same_settings(group):
                continue
            now = self._lots_of(group)
            if len(now) != len(self.lots_of[i]):
                return None
            for number, lot in zip(self.lots_of[i], now, strict=True):
                if self._sorts and not self._lots[number].holds_the_same(lot):
                    return None
                views = self._chain.views(lot.group, lot.spared, which=lot.which)
                if self._chain.live_slots(views) != self._live[number]:
                    return None
                found.append((number, views))
            known.take(group)
        return found

    def _lots_of(self, group: Mapping[str, Any]) -> Sequence[Lot]:
        """The lots of one group."""
        if self._sorts:
            return lots(self._chain.name, [group], self._chain)
        spared = [False] if group.get("decay_filter") is None else [False, True]
        return [Lot(group, (), one) for one in spared]

    def values(self, groups: Sequence[Mapping[str, Any]]) -> list[Any]:
        """What the groups hold under these names, to be found again by identity: `NEVER` for what
        can change in place."""
        found = [group.get(name, ABSENT) for group in groups for name in self.names]
        return [value if value is ABSENT or _is_lasting(value) else NEVER for value in found]
