"""`thalweg show`: an optimizer's mathematics, and what its steps cost."""

from __future__ import annotations

import inspect
import json
import textwrap
from dataclasses import asdict
from typing import Annotated

import typer

from thalweg.fuse.passes import Stretch, passes
from thalweg.lab.errors import UserError
from thalweg.lab.names import found
from thalweg.optimizers import OPTIMIZERS
from thalweg.source import unknown

__all__ = ["show"]

_WIDTH = 78


def show(
    optimizer: Annotated[str, typer.Argument(metavar="OPTIMIZER", hidden=True)],
    costs: Annotated[
        bool, typer.Option("--passes", help="Show the passes over memory of its steps.")
    ] = False,
    shape: Annotated[
        str, typer.Option(metavar="N,N,...", help="The shape of the tensor that is stepped.")
    ] = "64,32",
    steps: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many steps are looked at.")
    ] = 12,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Another setting; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the mathematics of an optimizer, or what its steps cost.

    OPTIMIZER is a name, in any case. A pass reads each array that it names once; a step of a large
    model takes as long as its passes read and write.
    """
    name = found(optimizer, OPTIMIZERS, list(OPTIMIZERS))
    chain = OPTIMIZERS[name]
    given, lengths = _settings(name, setting or []), _shape(shape)
    if not costs:
        if setting or shape != "64,32":
            raise UserError("--set and --shape say of what the passes are; add --passes")
        text = _narrowed(inspect.cleandoc(chain.doc))
        settings = ", ".join(f"{n}={value!r}" for n, value in chain.defaults.items())
        whole = {"name": name, "doc": text, "settings": {**chain.defaults}}
        lines = [text, "", *textwrap.wrap(f"Settings: {settings}", _WIDTH)]
        print(json.dumps(whole) if as_json else "\n".join(lines))
        return
    try:
        stretches = passes(chain, given, lengths, steps)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise UserError(str(error)) from None
    if as_json:
        print(
            json.dumps({"name": name, "shape": shape, "steps": [asdict(one) for one in stretches]})
        )
        return
    print(f"{name}, a tensor of {' x '.join(shape.split(','))}")
    for stretch in stretches:
        print("\n".join(_lines(stretch)))


def _narrowed(text: str) -> str:
    """A docstring on 78 columns: its prose, for its equations stay as they are."""
    found = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith(" "):
            found.append(paragraph)
            continue
        first, *rest = paragraph.split("\nDiffers:")
        pieces = [first, *(f"Differs:{piece}" for piece in rest)]
        found.append("\n".join(textwrap.fill(piece, _WIDTH) for piece in pieces))
    return "\n\n".join(found)


def _settings(name: str, given: list[str]) -> dict[str, object]:
    """NAME=VALUE of each setting, of the kind that its default has."""
    chain = OPTIMIZERS[name]
    found: dict[str, object] = {}
    for one in given:
        key, sign, text = one.partition("=")
        if not sign or key not in chain.settings:
            said = unknown(key, chain.settings) if sign else f"must be NAME=VALUE, got {one!r}"
            raise UserError(f"--set: {said}")
        found[key] = _value(one, text, chain.settings[key].default)
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


def _lines(stretch: Stretch) -> list[str]:
    found = ["", f"  {_spans(stretch.steps)}"]
    number = 0
    for one in stretch.passes:
        parts = {"reads": one.reads, "sums": one.sums, "writes": one.writes}
        number += not one.does
        head = "    then    " if one.does else f"    pass {number}  "
        for word, names in parts.items():
            if names:
                line = f"{word:<7}{', '.join(names)}"
                found += textwrap.wrap(
                    head + line, _WIDTH, subsequent_indent=" " * 19, break_on_hyphens=False
                )
                head = " " * len(head)
        for line in one.does:
            found += textwrap.wrap(head + line, _WIDTH, subsequent_indent=" " * 19)
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
