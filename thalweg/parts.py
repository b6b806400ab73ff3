"""The parts of a chain: a rule or a stage under names of its own, and where it may stand."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from thalweg.declaration import ScalarState, State, Switch
from thalweg.rule import Declared, Rule, Stage
from thalweg.source import unknown

__all__ = [
    "Part",
    "Slot",
    "Wiring",
    "cells_of",
    "check_keys",
    "check_needs",
    "check_order",
    "check_part",
    "idle",
    "named",
    "prefix_for",
]


@dataclass(frozen=True)
class Part:
    """A rule or stage inside a chain: `names` maps its own names to the chain's public ones."""

    declared: type[Declared]
    prefix: str
    names: Mapping[str, str]

    def public(self, name: str) -> str:
        """The chain-wide name of a setting."""
        return self.names.get(name, name)

    def key(self, name: str, key: str) -> str:
        """The state_dict key of a state: its own, unless it was given another."""
        return self.names.get(name, key)

    def qualified(self, name: str) -> str:
        """A name inside the plan: p and g are everybody's, the rest is this part's own."""
        return name if name in ("p", "g") else f"{self.prefix}__{name}"

    @property
    def reads_g(self) -> bool:
        """Whether it takes the gradient, or measures it."""
        measures = self.declared.declaration.measures.values()
        sources = [self.declared.source, *(m.source for m in measures)]
        return any("g" in source.arguments for source in sources if source is not None)

    @property
    def changes_g(self) -> bool:
        """Whether it passes on another gradient, under some settings at least."""
        source = self.declared.source
        return source is not None and "g" in source.assigned and "g" in source.returned


@dataclass(frozen=True)
class Slot:
    """One state array of one parameter: whose it is and what torch calls it."""

    part: Part
    name: str
    key: str
    state: State

    @property
    def qualified(self) -> str:
        return self.part.qualified(self.name)

    def is_live(self, h: SimpleNamespace) -> bool:
        """Whether it exists under its part's settings: the switch that it depends on is on."""
        when = self.state.when
        if when is None:
            return True
        made = self.part.declared.declaration.switches.get(when)
        return bool(made.function(h) if made else getattr(h, when))


@dataclass(frozen=True)
class Wiring:
    """Which of its names a part finds where; per part, worked out once for all steps."""

    settings: list[list[tuple[str, str]]]
    numbers: list[list[tuple[str, str]]]
    flags: list[list[tuple[str, str]]]
    switches: list[list[tuple[Switch, str]]]

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Wiring:
        wiring = cls([], [], [], [])
        for part in parts:
            d = part.declared.declaration
            wiring.settings.append([(n, part.public(n)) for n in [*d.settings, *d.needs]])
            wiring.numbers.append([(n, part.qualified(n)) for n in d.numbers])
            flags = [n for n, s in d.settings.items() if s.is_switch]
            wiring.flags.append([(n, part.qualified(n)) for n in flags])
            wiring.switches.append([(s, part.qualified(n)) for n, s in d.switches.items()])
        return wiring


def cells_of(parts: Sequence[Part]) -> dict[str, tuple[int, ScalarState]]:
    """The numbers kept per parameter, by state_dict key: whose part, and how they start."""
    cells: dict[str, tuple[int, ScalarState]] = {}
    for i, part in enumerate(parts):
        d = part.declared.declaration
        asks = [*d.scalars_take, *itertools.chain(*(s.takes for s in d.switches.values()))]
        if "t" in asks or getattr(part.declared, "counts_steps", False):
            cells.setdefault("step", (i, ScalarState("step")))
    for i, part in enumerate(parts):
        for name, s in part.declared.declaration.scalar_states.items():
            cells[part.key(name, s.key)] = i, s
    return cells


def named(declared: type[Declared], **names: str) -> tuple[type[Declared], dict[str, str]]:
    """A rule or stage under other public names: `named(Centralize, conv_only="gc_conv_only")`."""
    d = declared.declaration
    for name in names:
        known = [*d.settings, *d.states, *d.scalar_states]
        if name not in known:
            raise TypeError(f"named({declared.__name__}): {unknown(name, known)}")
    return declared, names


def check_part(name: str, given: Any) -> None:
    """Raise a TypeError for something that is neither a rule nor a stage."""
    if isinstance(given, type) and issubclass(given, Rule | Stage):
        return
    message = f"{name}: a part must be a Rule or a Stage"
    if isinstance(given, Rule | Stage):
        kind = type(given).__name__
        raise TypeError(f"{message}, got an instance of {kind}; write it without ()")
    if isinstance(given, type):
        whole = given.__qualname__
        raise TypeError(f"{message}, got the class {whole}; thalweg.rules has the rules")
    raise TypeError(f"{message}, got {given!r}")


def prefix_for(declared: type[Declared], taken: set[str]) -> str:
    """The part's mark in front of its names: no double underscore, and nobody else's."""
    base = re.sub("_+", "_", declared.__name__.lower()).strip("_") or "part"
    numbered = (f"{base}{n}" for n in itertools.count(2))
    return next(name for name in itertools.chain([base], numbered) if name not in taken)


def check_keys(name: str, parts: Sequence[Part]) -> None:
    """Raise a TypeError for two states under one key, which would overwrite each other."""
    owners = {"step": "the step counter"}
    for part in parts:
        d, owner = part.declared.declaration, part.declared.__name__
        keys = {state: s.key for state, s in d.states.items()}
        keys |= {state: s.key for state, s in d.scalar_states.items()}
        for state, own in keys.items():
            key = part.key(state, own)
            if key in owners:
                raise TypeError(
                    f"{name}: {owners[key]} and {owner} both keep a state {key!r} "
                    f'({state!r}); give one another key: named({owner}, {state}="...")'
                )
            owners[key] = owner


def check_needs(name: str, parts: Sequence[Part], settings: Mapping[str, Any]) -> None:
    """Raise a TypeError if a part counts on a setting that no part has."""
    for part in parts:
        for needed in part.declared.declaration.needs:
            if part.public(needed) not in settings:
                raise TypeError(
                    f"{name}: {part.declared.__name__} needs a setting "
                    f"{part.public(needed)!r} that another part declares; it is not in the chain"
                )


def idle(parts: Sequence[Part], value_of: Callable[[Part, str], Any]) -> list[Part]:
    """The parts that do nothing where they stand: they change g, and nothing behind them reads it.

    `value_of(part, setting)` are the settings it is asked for.
    """
    found: list[Part] = []
    is_read = False
    for part in reversed(parts):
        if part.changes_g and not is_read and _changes_only_g(part, value_of):
            found.insert(0, part)
        else:
            is_read = is_read or part.reads_g
    return found


def check_order(name: str, parts: Sequence[Part], value_of: Callable[[Part, str], Any]) -> None:
    """Raise a TypeError if a part does nothing where it stands, and say where it belongs."""
    useless = idle(parts, value_of)
    if not useless:
        return
    culprit, order = useless[0], [part for part in parts if part not in useless]
    readers = [i for i, part in enumerate(order) if part.reads_g]
    message = f"{name}: {culprit.declared.__name__} changes the gradient, which no part behind it"
    if not readers:
        raise TypeError(f"{message} reads")
    order[readers[0] : readers[0]] = useless
    names = ", ".join(part.declared.__name__ for part in order)
    raise TypeError(f'{message} reads; write chain("{name}", {names})')


def _changes_only_g(part: Part, value_of: Callable[[Part, str], Any]) -> bool:
    """Whether g is all that it changes: with these settings, or with whatever settings."""
    source, settings = part.declared.source, part.declared.declaration.settings
    assert source is not None
    kept = [*source.returned]
    asked = {n: (value_of(part, n),) for n, s in settings.items() if s.is_switch}
    free = {n: s.choices or (False, True) for n, s in settings.items() if s.is_switch}
    for choices in (asked, free):
        found = [source.changed(world) & set(kept) for world in _worlds(part, choices)]
        if any(found) and all(changed <= {"g"} for changed in found):
            return True
    return False


def _worlds(part: Part, choices: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Every combination of these settings with what the switches may say."""
    switches = dict.fromkeys(part.declared.declaration.switches, (False, True))
    options = {**choices, **switches}
    for values in itertools.product(*options.values()):
        yield dict(zip(options, values, strict=True))
