"""`either(Muon, Adam)`: of several rules, each tensor gets the first that takes it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from thalweg.parts import Part, check_part, prefix_for
from thalweg.rule import Declared

__all__ = ["OTHERS", "Either", "either", "joined_parts", "other", "takes"]

OTHERS = "others"
"""The key of a group, True where its parameters pass the first alternative by."""


@dataclass(frozen=True)
class Either:
    """Rules, or whole chains, one of which steps each tensor."""

    alternatives: tuple[Any, ...]
    shared: bool = False


def either(*rules: Any, shared: bool = False) -> Either:
    """Make one part of several rules: each tensor gets the first that `takes` its shape.

        chain("MuonAdam", either(Muon, Adam))

    A chain may stand in place of a rule. The settings of the first keep their names; those of the
    second are `others_lr`, `others_betas` and so on, of a third `others2_lr`; with `shared`, those
    of one name are one setting. What stands around it in a chain is done to every tensor.
    """
    if len(rules) < 2:
        raise TypeError(f"either takes two rules or more, got {len(rules)}")
    return Either(rules, shared)


def other(name: str, which: int) -> str:
    """The name of a setting in an alternative."""
    return f"others{which if which > 1 else ''}_{name}" if which else name


def takes(parts: Sequence[Part], shape: Sequence[int], settings: Mapping[str, Any]) -> bool:
    """Whether the rules among some parts take a tensor of this shape under a group's settings."""
    known: Mapping[str, int] = {
        "ndim": len(shape),
        "rows": shape[0] if shape else 1,
        "columns": math.prod(shape[1:]),
    }
    for part in parts:
        asked = getattr(part.declared, "takes", None)
        if asked is not None:
            count = asked.__code__.co_argcount + asked.__code__.co_kwonlyargcount
            own = part.declared.declaration.settings
            given = {
                name: known[name]
                if name in known
                else settings.get(part.public(name), own[name].default)
                for name in asked.__code__.co_varnames[:count]
            }
            if not asked(**given):
                return False
    return True


def joined_parts(
    name: str, items: Sequence[Any], which: int | None = None, taken: Sequence[Part] = ()
) -> tuple[list[Part], dict[str, Any]]:
    """The parts of a chain, in order, and the defaults that chains among the items bring with
    them. Those of an alternative have names of their own for its settings."""
    joined: list[Part] = []
    inherited: dict[str, Any] = {}
    for item in items:
        if isinstance(item, Either):
            if which is not None or any(part.which is not None for part in (*taken, *joined)):
                raise TypeError(f"{name}: a chain may choose by either(...) once")
            for number, alternative in enumerate(item.alternatives):
                made, brought = joined_parts(name, [alternative], number, joined)
                if item.shared:
                    made, brought = _sharing(joined, made, brought, number)
                joined, inherited = [*joined, *made], inherited | brought
            continue
        if hasattr(item, "parts"):  # a chain
            inherited |= {other(n, which or 0): s.default for n, s in item.settings.items()}
            pairs = [(part.declared, part.names) for part in item.parts]
        else:
            pairs = [item if isinstance(item, tuple) else (item, {})]
        for declared, names in pairs:
            check_part(name, declared)
            prefix = prefix_for(declared, {p.prefix for p in (*taken, *joined)})
            joined.append(Part(declared, prefix, _named_as(declared, names, which or 0), which))
    return joined, inherited


def _named_as(declared: type[Declared], names: Mapping[str, str], which: int) -> Mapping[str, str]:
    """The public names of a part of an alternative."""
    if not which:
        return names
    d = declared.declaration
    return {**names, **{n: other(names.get(n, n), which) for n in [*d.settings, *d.needs]}}


def _sharing(
    before: Sequence[Part], made: Sequence[Part], brought: Mapping[str, Any], which: int
) -> tuple[list[Part], dict[str, Any]]:
    """Parts of an alternative whose settings are those of the parts before it, where these have
    settings of the same names."""
    known = {part.public(n) for part in before for n in part.declared.declaration.settings}
    shared = {other(name, which): name for name in known}
    parts = [replace(p, names={n: shared.get(to, to) for n, to in p.names.items()}) for p in made]
    return parts, {name: value for name, value in brought.items() if name not in shared}
