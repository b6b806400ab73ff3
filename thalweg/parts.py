"""The parts of a chain: a rule or a stage under names of its own, and where it may stand."""

from __future__ import annotations

import functools
import itertools
import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from thalweg.deciding import certain, reached
from thalweg.declaration import State
from thalweg.rule import Declared, Rule, Stage
from thalweg.source import unknown
from thalweg.text import STREAMS, Reduction, Request

__all__ = [
    "Part",
    "Questions",
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
    "sees_stack",
    "steps_after",
]


@dataclass(frozen=True)
class Part:
    """A rule or stage inside a chain: `names` maps its own names to the chain's public ones.

    `which` is the number of the alternative that it belongs to; None, if it is every tensor's.
    """

    declared: type[Declared]
    prefix: str
    names: Mapping[str, str]
    which: int | None = None

    def public(self, name: str) -> str:
        """The chain-wide name of a setting."""
        return self.names.get(name, name)

    def key(self, name: str, key: str) -> str:
        """The state_dict key of a state: its own, unless it was given another."""
        return self.names.get(name, key)

    def qualified(self, name: str) -> str:
        """A name inside the plan: the streams are everybody's, the rest is this part's own."""
        return name if name in STREAMS else f"{self.prefix}__{name}"

    def takes(self, stream: str) -> bool:
        """Whether it reads a stream as the parts before it left it."""
        return stream in self.declared.text.source.arguments

    def passes_on(self, stream: str) -> bool:
        """Whether it gives a stream another value, under some settings at least."""
        source = self.declared.text.source
        return stream in source.assigned and stream in source.returned


@dataclass(frozen=True)
class Slot:
    """One state array of one parameter: whose it is and what torch calls it; of a matrix, also how
    long the sides are that settings say."""

    part: Part
    name: str
    key: str
    state: State
    sides: tuple[int, ...] = ()

    @property
    def qualified(self) -> str:
        return self.part.qualified(self.name)

    @functools.cached_property
    def is_certain(self) -> bool:
        """Whether it exists whatever the settings are."""
        return self.name in certain(self.part.declared.text.body)


@dataclass(frozen=True)
class Wiring:
    """Which of its names a part finds where; per part, worked out once for all steps. A part of
    another alternative has no settings."""

    settings: list[list[tuple[str, str]] | None]
    cells: list[list[str]]
    numbers: list[list[str]]

    @classmethod
    def of(cls, parts: Sequence[Part], public: Callable[[Part, str], str], which: int) -> Wiring:
        """Of the tensors of one alternative; `public` names a setting among all."""
        wiring = cls([], [], [])
        for part in parts:
            d, is_there = part.declared.declaration, part.which in (None, which)
            pairs = [(n, public(part, n)) for n in [*d.settings, *d.needs]]
            wiring.settings.append(pairs if is_there else None)
            wiring.cells.append([part.key(n, s.key) for n, s in d.cells.items()])
            names = part.declared.text.number_names
            wiring.numbers.append([part.qualified(n) for n in names])
        return wiring


def cells_of(parts: Sequence[Part]) -> dict[str, tuple[int, State]]:
    """The numbers kept per parameter, by state_dict key: whose part, and how they start."""
    cells: dict[str, tuple[int, State]] = {}
    for i, part in enumerate(parts):
        counts = getattr(part.declared, "counts_steps", False)
        if "t" in part.declared.text.source.arguments or counts:
            cells.setdefault("step", (i, State("step", per="tensor")))
    for i, part in enumerate(parts):
        for name, s in part.declared.declaration.cells.items():
            cells[part.key(name, s.key)] = i, s
    return cells


@dataclass(frozen=True)
class Questions:
    """What the texts of a chain ask of tensors as wholes, by qualified name: `reductions` over a
    tensor or all, `requests` to the border, and in `of_all` those of both that concern all tensors
    at once, in the order in which a text comes to them."""

    reductions: dict[str, Reduction]
    requests: dict[str, Request]
    of_all: list[str]
    reduces_rows: bool

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Questions:
        made = cls({}, {}, [], any(_over(part, "row") for part in parts))
        for part in parts:
            text = part.declared.text
            wide = [*_over(part, "tensor"), *_over(part, "all")]
            order = [one for one in text.reduced if one in wide]
            made.reductions.update({part.qualified(one.name): one for one in order})
            asked = text.requests.values()
            made.requests.update({part.qualified(one.name): one for one in asked})
            places = {call: one.name for call, one in text.reductions.items() if one.over == "all"}
            places |= {call: one.name for call, one in text.requests.items()}
            # by their ends: of two calls one in the other, the inner is asked first
            calls = sorted(places, key=lambda one: (one.end_lineno or 0, one.end_col_offset or 0))
            names = dict.fromkeys(part.qualified(places[call]) for call in calls)
            made.of_all.extend(name for name in names if name not in made.of_all)
        return made


def _over(part: Part, scope: str) -> list[Reduction]:
    return [one for one in part.declared.text.reduced if one.over == scope]


def named(declared: type[Declared], **names: str) -> tuple[type[Declared], dict[str, str]]:
    """A rule or stage under other public names: `named(Centralize, conv_only="gc_conv_only")`."""
    d = declared.declaration
    for name in names:
        known = [*d.settings, *d.needs, *d.states]
        if name not in known:
            raise TypeError(f"named({declared.__name__}): {unknown(name, known)}")
        _check_word(f"named({declared.__name__}): {name}", names[name], name not in d.states)
    return declared, names


def _check_word(title: str, word: Any, is_argument: bool) -> None:
    """Raise a TypeError for a name that no constructor can have, or no state_dict."""
    if not isinstance(word, str):
        raise TypeError(f"{title} must be given a name, got {word!r}")
    if is_argument and (not word.isidentifier() or keyword.iskeyword(word)):
        raise TypeError(f"{title} must be given a name that Python takes, got {word!r}")
    if is_argument and word in ("self", "params"):
        raise TypeError(f"{title}: {word!r} is an argument of every optimizer; choose another")


def check_part(name: str, given: Any) -> None:
    """Raise a TypeError for something that is neither a rule nor a stage."""
    if given in (Rule, Stage):
        raise TypeError(f"{name}: a part must be a Rule or a Stage with an update, got {given}")
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
    owners: dict[str, str] = {"step": "the step counter"}
    of: dict[str, int | None] = {"step": None}
    for part in parts:
        d, owner = part.declared.declaration, part.declared.__name__
        for state, s in d.states.items():
            key = part.key(state, s.key)
            if key in owners and (of[key] is None or part.which in (None, of[key])):
                raise TypeError(
                    f"{name}: {owners[key]} and {owner} both keep a state {key!r} "
                    f'({state!r}); give one another key: named({owner}, {state}="...")'
                )
            owners[key], of[key] = owner, part.which


def sees_stack(parts: Sequence[Part]) -> bool:
    """Whether these parts see a parameter of more than two axes as a stack of matrices."""
    return any(getattr(part.declared, "is_stack", False) for part in parts)


def _check_views(name: str, parts: Sequence[Part]) -> None:
    """Raise a TypeError if parts that talk of rows do not mean the same ones."""
    if not sees_stack(parts):
        return
    (rule, *_) = [part.declared for part in parts if getattr(part.declared, "is_stack", False)]
    for part in parts:
        text = part.declared.text
        has_rows = text.on_matrices or _over(part, "row")
        if has_rows and not getattr(part.declared, "is_stack", False):
            raise TypeError(
                f"{name}: a row of {part.declared.__name__} is an index of the first axis, and one "
                f"of {rule.__name__} of all axes but the last: the two do not go together"
            )


def check_needs(name: str, parts: Sequence[Part], settings: Mapping[str, Any]) -> None:
    """Raise a TypeError if a part takes a setting that no part has."""
    for part in parts:
        for needed in part.declared.declaration.needs:
            public = part.public(needed)
            if public not in settings:
                source = part.declared.text.source
                hint = unknown(public, settings).partition("; ")[2]
                raise source.error(
                    source.arguments[needed],
                    f"in {name}, no part has a setting {public!r}; {hint}",
                )
            _check_kind(name, part, needed, settings[public].default)


def _check_kind(name: str, part: Part, needed: str, default: Any) -> None:
    """Raise a TypeError for a setting of another part that is several numbers, or too few."""
    text = part.declared.text
    length = len(default) if isinstance(default, tuple) else None
    if length == text.borrowed.get(needed) and not isinstance(default, str):
        return
    is_text = isinstance(default, str)
    got = "text" if is_text else "one number" if length is None else f"{length} numbers"
    letters = ", ".join(f"{needed[0]}{i + 1}" for i in range(length or 0))
    hint = f"; take them apart, `{letters} = {needed}`" if letters else ""
    raise text.source.error(
        text.source.arguments[needed], f"in {name}, {part.public(needed)!r} is {got}{hint}"
    )


def idle(parts: Sequence[Part], value_of: Callable[[Part, str], Any]) -> list[Part]:
    """The parts that do nothing where they stand: they change g, and nothing behind them reads it.

    `value_of(part, setting)` are the settings it is asked for.
    """
    found: list[Part] = []
    is_read = False
    for part in reversed(parts):
        if part.passes_on("g") and not is_read and _changes_only_g(part, value_of):
            found.insert(0, part)
        else:
            is_read = is_read or part.takes("g")
    return found


def _changes_only_g(part: Part, value_of: Callable[[Part, str], Any]) -> bool:
    """Whether g is all that it changes: with these settings, or with whatever settings."""
    text, settings = part.declared.text, part.declared.declaration.settings
    kept = set(text.source.returned)
    asked = {n: value_of(part, n) for n, s in settings.items() if s.is_switch}
    return any(reached(text, known)[1] & kept == {"g"} for known in (asked, {}))


def check_order(name: str, parts: Sequence[Part], value_of: Callable[[Part, str], Any]) -> None:
    """Raise a TypeError if a part does nothing where it stands, and say where it belongs, or if
    parts mean other rows."""
    _check_views(name, parts)
    _check_steps(name, parts)
    useless = idle(parts, value_of)
    if not useless:
        return
    culprit, order = useless[0], [part for part in parts if part not in useless]
    readers = [i for i, part in enumerate(order) if part.takes("g")]
    message = f"{name}: {culprit.declared.__name__} changes the gradient, which no part behind it"
    if not readers:
        raise TypeError(f"{message} reads")
    order[readers[0] : readers[0]] = useless
    raise TypeError(f"{message} reads; write {_written(name, order)}")


def _check_steps(name: str, parts: Sequence[Part]) -> None:
    """Raise a TypeError if a part takes the step u where no part in front of it yields one."""
    is_there = False
    for i, part in enumerate(parts):
        if part.takes("u") and not is_there:
            yielding = [one for one in parts[i:] if one.passes_on("u") and not one.takes("u")]
            order = [one for one in parts if one is not part]
            message = f"{name}: {part.declared.__name__} takes the step u, which no part in front "
            if not yielding:
                raise TypeError(f"{message}of it yields{_moving_p(part, parts)}")
            order.insert(order.index(yielding[0]) + 1, part)
            raise TypeError(f"{message}of it yields; write {_written(name, order)}")
        is_there = is_there or part.passes_on("u")


def _moving_p(stage: Part, parts: Sequence[Part]) -> str:
    """What is said of rules that write the weights themselves, to someone who adds a stage."""
    rules = [part.declared.__name__ for part in parts if issubclass(part.declared, Rule)]
    needs = f"{stage.declared.__name__} needs a rule that returns u"
    return f": {' and '.join(rules)} writes p itself; {needs}" if rules else ""


def _written(name: str, parts: Sequence[Part]) -> str:
    return f'chain("{name}", {", ".join(part.declared.__name__ for part in parts)})'


def steps_after(parts: Sequence[Part]) -> list[int]:
    """The places of the parts behind which a step u is taken: the last that has to do with it."""
    found: list[int] = []
    for i, part in enumerate(parts):
        if part.passes_on("u") and not part.takes("u"):
            found.append(i)
        elif found and (part.takes("u") or part.passes_on("u")):
            found[-1] = i
    return found
