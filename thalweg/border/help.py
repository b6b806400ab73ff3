"""What `help` says of an optimizer's arguments, by its declaration."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from thalweg.chain import Chain, Part
from thalweg.meanings import meaning
from thalweg.rule import Declared
from thalweg.stages import Decay, DecoupledDecay

__all__ = ["explained", "section", "with_arguments"]

_WIDTH = 92


def with_arguments(made: Chain, extras: Mapping[str, Any], by_position: Sequence[str]) -> str:
    """A chain's docstring with a line for each argument; `extras` are the border's own ones, some
    of which come by position."""
    said = section(made, extras, by_position)
    return f"{made.doc.rstrip()}\n\n{textwrap.indent(said, '    ')}\n    "


def section(made: Chain, extras: Mapping[str, Any], by_position: Sequence[str] = ()) -> str:
    """The lines of a docstring on the arguments, with defaults, in the constructor's order."""
    lines = ["Arguments:"]
    said_of = explained(made, extras)
    order = ["params", *made.signature.positional, *by_position]
    for name in dict.fromkeys([*order, *said_of]):
        said = said_of[name]
        plain = name in ("params", "others_settings")
        head = f"{name}: " if plain else f"{name} ({_default(made, extras, name)}): "
        lines += textwrap.wrap(
            head + said,
            _WIDTH,
            initial_indent=" " * 4,
            subsequent_indent=" " * 8,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def explained(made: Chain, extras: Mapping[str, Any]) -> dict[str, str]:
    """What each argument of the constructor means and may be."""
    found = {"params": meaning("", "params")}
    for name in made.signature.shown:
        part, own = _owner(made, name)
        one = made.settings[name]
        said = _meaning(made, part, own)
        if part.which and said:
            said = f"of what the matrix rule does not take: {said}"
        limits = "" if isinstance(one.default, bool) else one.accepted
        found[name] = "; ".join(filter(None, [said, limits]))
    found.update({name: meaning(made.name, name) for name in extras})
    if made.choice.is_choosy:
        found.update({name: meaning("", name) for name in ("others", "others_settings")})
    return found


def _meaning(made: Chain, part: Part, own: str) -> str:
    """What a setting means, as its part says or else the list of all."""
    declared: type[Declared] = part.declared
    if own in declared.meanings:
        return declared.meanings[own]
    if declared is Decay and made.fixed.get("decoupled_weight_decay"):
        declared = DecoupledDecay
    return meaning(declared.__name__, own)


def _owner(made: Chain, public: str) -> tuple[Part, str]:
    """The part that a setting of a chain belongs to, and what it is called there."""
    parts = sorted(made.parts, key=lambda part: part.which or 0)
    return next(
        (part, own)
        for part in parts
        for own in part.declared.declaration.settings
        if part.public(own) == public
    )


def _default(made: Chain, extras: Mapping[str, Any], name: str) -> str:
    return repr(made.settings[name].default if name in made.settings else extras.get(name))
