"""`thalweg show`: the mathematics of an optimizer, a stage, a schedule, and what its steps cost."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from thalweg.lab.answers import JSON, OUT, UNDRAWN, answer, pairs, table, wrapped
from thalweg.lab.errors import UserError
from thalweg.lab.listing import Item, named

if TYPE_CHECKING:
    from thalweg.chain import Chain
    from thalweg.fuse.passes import Stretch
    from thalweg.lab.facts import Facts

__all__ = ["show"]

_SHAPE = "64,32"


def show(
    optimizer: Annotated[str, typer.Argument(metavar="NAME", hidden=True)],
    costs: Annotated[
        bool, typer.Option("--passes", help="Show the passes over memory of its steps.")
    ] = False,
    shape: Annotated[
        str, typer.Option(metavar="N,N,...", help="The shape of the tensor that is stepped.")
    ] = _SHAPE,
    steps: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many steps are looked at.")
    ] = 12,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another setting; repeatable."),
    ] = None,
    seed: UNDRAWN = 0,
    as_json: JSON = False,
    out: OUT = None,
) -> None:
    """Show the mathematics of an optimizer, or what its steps cost.

    NAME is one that `thalweg list` has, in any case: of an optimizer or a stage its equations,
    settings, states, memory and source; of a schedule what it follows and takes. A pass reads each
    array that it names once; a step of a large model takes as long as its passes read and write.
    """
    item = named(optimizer)
    if costs:
        _show_passes(item, shape, steps, setting or [], as_json, out)
        return
    if setting or shape != _SHAPE:
        raise UserError("--set and --shape say of what the passes are; add --passes")
    from thalweg.lab.facts import facts

    told = facts(item)
    answer(lambda width: _said(told, width), told, as_json, out)


def _show_passes(
    item: Item, shape: str, steps: int, settings: list[str], as_json: bool, out: str | None
) -> None:
    from thalweg.fuse.passes import passes
    from thalweg.optimizers import OPTIMIZERS

    name = item.name
    if name not in OPTIMIZERS:
        why = "it is a class of its own" if item.kind == "optimizers" else f"it is in {item.kind}"
        raise UserError(f"--passes is for an optimizer that is made of rules; of {name}: {why}")
    chain = OPTIMIZERS[name]
    given, lengths = _settings(chain, settings), _shape(shape)
    try:
        stretches = passes(chain, given, lengths, steps)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise UserError(str(error)) from None
    plain = {"name": name, "shape": shape, "steps": stretches}
    head = f"{name}, a tensor of {' x '.join(shape.split(','))}"
    blocks = chain.choice.blocks(lengths, given)
    if blocks is not None:
        sides = " x ".join(map(str, blocks.shapes[0]))
        head += f", of its {len(blocks.shapes)} blocks the first, of {sides}"
    answer(
        lambda width: [head, *(line for one in stretches for line in _lines(one, width))],
        plain,
        as_json,
        out,
    )


def _said(told: Facts, width: int) -> list[str]:
    """The facts in sections, those that are there."""
    lines = _narrowed(told.doc, width)
    if told.settings:
        rows = [[one.name, one.default, one.range] for one in told.settings]
        lines += ["", "Settings", *table(("", "default", "range"), rows, width)]
    if told.states:
        rows = [[one.name, one.key, one.per, one.start, one.when] for one in told.states]
        heads = ("", "in state_dict", "one per", "starts as", "kept")
        lines += ["", "States", *table(heads, rows, width)]
    if told.memory:
        lines += ["", *wrapped(f"Memory: {told.memory}", width)]
    for where, text in told.source:
        lines += ["", where, *textwrap.indent(text, "  ").splitlines()]
    if told.arguments:
        lines += ["", "Takes", *pairs([(told.name, told.arguments)], width)]
    return lines


def _narrowed(text: str, width: int) -> list[str]:
    """A docstring in lines of this width: its prose, for its equations stay as they are."""
    found: list[str] = []
    for paragraph in text.split("\n\n"):
        found += [""] if found else []
        if paragraph.startswith(" "):
            found += paragraph.splitlines()
            continue
        first, *rest = paragraph.split("\nDiffers:")
        for piece in [first, *(f"Differs:{piece}" for piece in rest)]:
            found += wrapped(" ".join(piece.split()), width)
    return found


def _settings(chain: Chain, given: list[str]) -> dict[str, object]:
    """NAME=VALUE of each setting of an optimizer, of the kind that its default has."""
    from thalweg.choice import BLOCKS
    from thalweg.source import unknown

    known = {**chain.settings, **(BLOCKS if chain.choice.takes_blocks else {})}
    found: dict[str, object] = {}
    for one in given:
        key, sign, text = one.partition("=")
        if not sign or key not in known:
            said = unknown(key, known) if sign else f"must be NAME=VALUE, got {one!r}"
            raise UserError(f"--set: {said}")
        found[key] = _value(one, text, known[key].default)
    return found


def _value(given: str, text: str, default: object) -> object:
    if isinstance(default, str):
        return text
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise UserError(f"--set {given}: must be true or false")
        return text.lower() == "true"
    try:
        numbers = tuple(float(one) for one in text.split(","))
    except ValueError:
        raise UserError(f"--set {given}: must be a number, or several with commas") from None
    if isinstance(default, tuple):
        return numbers
    if len(numbers) > 1:
        raise UserError(f"--set {given}: must be one number, got {len(numbers)}")
    return int(numbers[0]) if isinstance(default, int) and numbers[0] % 1 == 0 else numbers[0]


def _shape(text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(one) for one in text.split(",") if one.strip())
    except ValueError:
        found = (-1,)
    if any(length < 0 for length in found):
        raise UserError(f"--shape must be whole numbers with commas, such as 64,32, got {text!r}")
    return found


def _lines(stretch: Stretch, width: int) -> list[str]:
    found = ["", f"  {_spans(stretch.steps)}"]
    number = 0
    for one in stretch.passes:
        parts = {"reads": one.reads, "sums": one.sums, "writes": one.writes}
        number += not one.does
        head = "    then    " if one.does else f"    pass {number}  "
        for word, names in parts.items():
            if names:
                line = f"{head}{word:<7}"
                found += wrapped(", ".join(names), width, line, " " * 19)
                head = " " * len(head)
        for line in one.does:
            found += wrapped(line, width, head, " " * 19)
            head = " " * len(head)
    return found


def _spans(steps: list[int]) -> str:
    """Steps in words: 1 to 5, 7 to 11."""
    spans: list[list[int]] = []
    for t in steps:
        if spans and t == spans[-1][1] + 1:
            spans[-1][1] = t
        else:
            spans.append([t, t])
    words = [str(a) if a == b else f"{a}{', ' if b == a + 1 else ' to '}{b}" for a, b in spans]
    return f"step{'s' if len(steps) > 1 else ''} {', '.join(words)}"
