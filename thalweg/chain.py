"""Joins stages and a rule into one optimizer: names kept apart, settings merged, order kept."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple

from thalweg import advice
from thalweg.choice import Choice
from thalweg.declaration import starting
from thalweg.either import OTHERS, Either, joined_parts, other
from thalweg.living import Living
from thalweg.parts import (
    Part,
    Questions,
    Slot,
    Wiring,
    cells_of,
    check_keys,
    check_needs,
    check_order,
    idle,
    named,
    prefix_for,
    steps_after,
)
from thalweg.rule import Declared, Rule, Stage
from thalweg.settings import Setting, as_double, with_precision
from thalweg.settings_of_groups import SettingsOfGroups
from thalweg.signature import Signature
from thalweg.source import unknown
from thalweg.text import OF_SHAPE

__all__ = ["Chain", "Decided", "Part", "Signature", "Slot", "Ways", "chain", "named"]

# of each part; None for one that is no part of a tensor's step
Ways = tuple[tuple[bool | None, ...] | None, ...]


class Decided(NamedTuple):
    """What is known of one step before it: the way each part's `if`s go, which chooses the plan;
    the numbers that elements are computed with, by qualified name; and the kept numbers after it,
    by key, None for those that are measured."""

    ways: Ways
    numbers: dict[str, Any]
    kept: dict[str, Any]


class Chain:
    """A rule with stages around it, run in the order given, in one pass.

    `settings` are the public ones by name. Those that the signature leaves out keep their default;
    the `fixed` ones are shown in parameter groups all the same. `slots` are the state arrays kept
    per parameter, `cells` the numbers kept with it (the step count among them) by state_dict key,
    `doubles` those of them that are kept in double whatever the parameter's type, `shared` those
    of which the optimizer has one, with the number of their part;
    `reductions` are those over tensors by qualified name, in the order of the text, `requests` what
    a border answers, `asked_of_all` the names of both that concern all tensors. `decide` gives
    what of a step is known before it.
    """

    def __init__(
        self,
        name: str,
        parts: Sequence[Part],
        values: Mapping[str, Any],
        signature: Signature | None = None,
        doc: str = "",
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.parts, self.doc = name, tuple(parts), doc
        self.aliases = dict(aliases or {})
        self.settings = self._merge_settings(values)
        self.by_type = [name for name, one in self.settings.items() if one.is_by_type]
        self.signature = signature or Signature(tuple(self.settings))
        for shown in self.signature.shown:
            if shown not in self.settings:
                raise TypeError(f"{name}: signature: {unknown(shown, self.settings)}")
            if self.signature.shown.count(shown) > 1:
                raise TypeError(f"{name}: signature has {shown!r} more than once")
        check_keys(name, self.parts)
        self.choice = Choice(name, self.parts, {n: s.default for n, s in self.settings.items()})
        self.slots = self._merge_states()
        self.found_sound: set[Any] = set()  # settings that a border has checked, so far
        of_shown = {name: self.settings[name].default for name in self.signature.shown}
        self._defaults = {**of_shown, **self.fixed}
        self.cells = cells_of(self.parts)
        self.doubles = {
            key
            for key, (i, _) in self.cells.items()
            if key != "step" and not self.parts[i].declared.keeps_singles
        }
        self.shared = {key: i for key, (i, one) in self.cells.items() if one.per == "all"}
        self._wirings = [
            Wiring.of(self.parts, functools.partial(self._public, which), which)
            for which in self.choice.alternatives
        ]
        self._find_questions()
        asked = {n for part in self.parts for n in part.declared.text.source.arguments}
        self._of_shape = tuple(name for name in OF_SHAPE if name in asked)
        self.evaluates = [i for i, part in enumerate(self.parts) if part.declared.evaluate]
        self._in_groups = SettingsOfGroups(name, self.settings)
        self._living = Living(self.parts, self.slots)
        self._steps_after: dict[tuple[int, ...], set[int]] = {}
        check_needs(name, self.parts, self.settings)
        for which in self.choice.alternatives:
            check_order(name, self.choice.of(which), self._default)
        self._asks_order = any(part.passes_on("g") for part in self.parts[self._last_reader() :])

    def _find_questions(self) -> None:
        """What the texts ask of more than elements."""
        questions = Questions.of(self.parts)
        self.reductions, self.requests = questions.reductions, questions.requests
        self.asked_of_all = questions.of_all
        self.is_asking = bool(self.reductions or self.requests)
        texts = [part.declared.text for part in self.parts]
        self.reduces_rows = questions.reduces_rows or any(text.on_vectors for text in texts)
        self.on_matrices = any(text.on_matrices for text in texts)
        self.reads_columns = any(text.columns for text in texts)

    def _public(self, which: int, part: Part, name: str) -> str:
        """A setting among all: of what a stage takes, the one of the tensor's own rule."""
        public = part.public(name)
        of_rule = other(public, which)
        is_needed = part.which is None and name in part.declared.declaration.needs
        return of_rule if is_needed and of_rule in self.settings else public

    def steps_after(self, ways: Sequence[Any]) -> set[int]:
        """The places of the parts behind which a step u is taken, for a tensor whose `if`s go
        these ways."""
        there = tuple(i for i, own in enumerate(ways) if own is not None)
        if there not in self._steps_after:
            found = steps_after([self.parts[i] for i in there])
            self._steps_after[there] = {there[i] for i in found}
        return self._steps_after[there]

    def _default(self, part: Part, name: str) -> Any:
        return self.settings[part.public(name)].default

    def _last_reader(self) -> int:
        """Behind it nobody reads the gradient."""
        return max((i for i, part in enumerate(self.parts) if part.takes("g")), default=-1)

    def _merge_settings(self, values: Mapping[str, Any]) -> dict[str, Setting]:
        found: dict[str, Setting] = {}
        owners: dict[str, Part] = {}
        for part in sorted(self.parts, key=lambda part: part.declared not in self.rules):
            for name, s in part.declared.declaration.settings.items():
                public = part.public(name)
                if public in found and part.which and part.which != owners[public].which:
                    continue  # an alternative that shares it
                if public in found:
                    one, two = owners[public].declared.__name__, part.declared.__name__
                    raise TypeError(
                        f"{self.name}: {one} and {two} both have a setting {public!r}; "
                        f'give one another name: named({two}, {name}="...")'
                    )
                found[public], owners[public] = s, part
        for public, value in values.items():
            if public not in found:
                raise TypeError(f"{self.name}: {unknown(public, found)}")
            found[public].check(f"{self.name}: {public}", value)
            found[public] = replace(found[public], default=value)
        return found

    def _merge_states(self) -> list[Slot]:
        return [
            Slot(part, name, part.key(name, s.key), s)
            for part in self.parts
            for name, s in part.declared.declaration.arrays.items()
        ]

    def first_cells(self, views: Sequence[SimpleNamespace]) -> dict[str, Any]:
        """The numbers kept per parameter as they are before its first step."""
        return {
            key: as_double(starting(s, views[i] or self._defaults_of(self.parts[i])))
            for key, (i, s) in self.cells.items()
        }

    def _defaults_of(self, part: Part) -> SimpleNamespace:
        """A part's own settings as they are by default."""
        names = part.declared.declaration.settings
        return SimpleNamespace(**{name: self._default(part, name) for name in names})

    def preceded_by(self, stage: type[Stage]) -> Chain:
        """This chain with one more stage in front of it, its settings keyword-only."""
        front = Part(stage, prefix_for(stage, {p.prefix for p in self.parts}), {})
        signature = self.signature.with_keywords(stage.declaration.settings)
        return self._with([front, *self.parts], signature)

    def followed_by(self, stage: type[Stage], names: Mapping[str, str]) -> Chain:
        """This chain with one more stage behind it, under the given public names; its settings are
        in no signature, and come from the group."""
        back = Part(stage, prefix_for(stage, {p.prefix for p in self.parts}), names)
        return self._with([*self.parts, back], self.signature)

    def _with(self, parts: Sequence[Part], signature: Signature) -> Chain:
        """Other parts under the same name, with the same defaults."""
        values = {name: s.default for name, s in self.settings.items()}
        return Chain(self.name, parts, values, signature, self.doc, self.aliases)

    @property
    def fixed(self) -> Mapping[str, Any]:
        """The settings that the constructor does not take, with their values."""
        return self.signature.fixed

    @property
    def defaults(self) -> dict[str, Any]:
        """What a parameter group holds when nothing else was asked for."""
        return {**self._defaults}

    def check_ranges(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError or TypeError for a setting that no step could take by itself."""
        self._in_groups.check(group)

    def check(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError or TypeError, naming the setting, for a group that is not acceptable."""
        for name, s in self.settings.items():
            if name in group:
                s.check(f"{self.name}: {name}", group[name])
        for which in self.choice.alternatives:
            for part, h in zip(self.parts, self.views(group, which=which), strict=True):
                try:
                    if h is not None:
                        part.declared.check(h)
                except ValueError as error:
                    raise ValueError(f"{self.name}: {error}") from None
        self._check_order(group)

    def _check_order(self, group: Mapping[str, Any]) -> None:
        """A switch may let a part behind the rule change the gradient, where it did not before."""
        if not self._asks_order:
            return
        of_group = {**{name: s.default for name, s in self.settings.items()}, **group}
        for part in idle(self.parts, lambda part, name: of_group[part.public(name)]):
            raise ValueError(
                f"{self.name}: with these settings {part.declared.__name__} changes the gradient, "
                f"which no part behind it reads; put it in front of the rule"
            )

    def views(
        self,
        group: Mapping[str, Any],
        spared: bool = False,
        as_tensors: bool = False,
        which: int = 0,
    ) -> list[Any]:
        """The settings of a group as each part sees them, for the tensors of this number (see
        `Choice`); None for a part of another alternative.

        Python numbers, unless `as_tensors`: then what is a tensor stays one. `spared` is for the
        parameters that a decay filter spares.
        """
        plain = {n: group.get(n, s.default) for n, s in self.settings.items()}
        if group.get(OTHERS) and other("lr", 1) in plain:  # where schedules find it
            plain[other("lr", 1)] = plain["lr"]
        if not as_tensors:
            plain = self._in_groups.plain(plain)
        plain |= {name: with_precision(plain[name]) for name in self.by_type} | {**self.fixed}
        if spared:
            plain |= dict.fromkeys(self.spares, 0.0)
        which, more = self.choice.told(which)
        return [
            None
            if pairs is None
            else SimpleNamespace(**{n: plain[public] for n, public in pairs}, **more)
            for pairs in self._wirings[which].settings
        ]

    def decide(
        self,
        views: Sequence[SimpleNamespace],
        t: int,
        first: Mapping[str, bool],
        shape: tuple[int, ...],
        cells: Mapping[str, Any],
    ) -> Decided:
        """What of one tensor's step is known before it; `first` are the parts, by prefix, whose
        states were made for this step."""
        ways: list[tuple[bool | None, ...] | None] = []
        numbers: dict[str, Any] = {}
        kept: dict[str, Any] = {}
        wiring = self._wirings[0]
        for part, h, keys, names in zip(
            self.parts, views, wiring.cells, wiring.numbers, strict=True
        ):
            held = [cells[key] for key in keys]
            if h is None:
                ways.append(None)
                kept.update(zip(keys, held, strict=True))
                continue
            own = part.declared.decide(h, t, first.get(part.prefix, False), shape, held)
            ways.append(own[0])
            numbers.update(zip(names, own[1], strict=True))
            kept.update(zip(keys, own[2], strict=True))
        return Decided(tuple(ways), numbers, kept)

    def asked_of(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """What of a shape the text asks for: of two tensors with the same, the step is decided
        alike."""
        if not self._of_shape:
            return ()
        whole = {"ndim": len(shape), "rows": shape[0] if shape else 1}
        return tuple(whole.get(name, math.prod(shape[1:])) for name in self._of_shape)

    def live_slots(self, views: Sequence[SimpleNamespace]) -> list[Slot]:
        """The states that exist under these settings: those that the text may come to."""
        return self._living.under(views)

    @property
    def rules(self) -> list[type[Rule]]:
        """The rules among the parts; mostly one."""
        return [part.declared for part in self.parts if issubclass(part.declared, Rule)]

    @property
    def takes_sparse(self) -> bool:
        """Whether a sparse gradient may be read as one with zeros in the missing rows."""
        return all(rule.takes_sparse for rule in self.rules)

    def rests(self, views: Sequence[SimpleNamespace]) -> bool:
        """Whether a row that a sparse gradient lacks stays as it is."""
        both = zip(self.parts, views, strict=True)
        return all(part.declared.rests(h) for part, h in both if h is not None)

    @property
    def starts_at_construction(self) -> bool:
        """Whether the states are made with the optimizer and not at the first step."""
        return any(rule.starts_at_construction for rule in self.rules)

    @property
    def counts_in_int(self) -> bool:
        """Whether the step count is a Python int in the state_dict."""
        return any(rule.counts_in_int for rule in self.rules)

    @property
    def spares(self) -> list[str]:
        """The settings that are zero for a parameter which a decay filter spares."""
        return [part.public(name) for part in self.parts for name in part.declared.spares]

    @property
    def alike(self) -> list[str]:
        """The settings that all groups must have alike, or be 0 in."""
        return [part.public(name) for part in self.parts for name in part.declared.alike]

    def __repr__(self) -> str:
        return f"<Chain {self.name}: {' -> '.join(p.declared.__name__ for p in self.parts)}>"


def chain(
    name: str,
    *parts: type[Declared] | tuple[type[Declared], dict[str, str]] | Chain | Either,
    signature: str = "",
    doc: str = "",
    aliases: Mapping[str, str] | None = None,
    **defaults: Any,
) -> Chain:
    """Join stages and one rule (or more) into an optimizer; they run in the order given.

    `signature` lists the settings of the constructor in order ("lr, betas, *, maximize"); left
    out, it is all of them, the rule's first. A keyword is another default for a setting; for one
    that the signature leaves out, it is a fixed value.

        Mine = chain("Mine", Centralize, RAdam, Lookahead, lr=3e-4)
    """
    if not isinstance(name, str):
        raise TypeError(advice.nameless(name))
    if not isinstance(signature, str):
        raise TypeError(f'{name}: signature must be text such as "lr, betas", got {signature!r}')
    if not isinstance(aliases, Mapping | None):
        raise TypeError(f"{name}: aliases must be a dict of names, got {aliases!r}")
    joined, inherited = joined_parts(name, parts)
    rules = [part.declared for part in joined if issubclass(part.declared, Rule)]
    if not rules:
        got = "only stages" if joined else "no part at all"
        raise TypeError(f"{name}: a chain must contain a rule, got {got}")
    takes = Signature.read(signature, defaults) if signature else None
    doc = doc or rules[0].__doc__ or ""
    return Chain(name, joined, inherited | defaults, takes, doc, aliases)
