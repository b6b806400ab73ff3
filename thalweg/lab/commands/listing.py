"""`thalweg list`: every optimizer, stage, schedule and scheduler, a line each with its paper."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from thalweg.lab.answers import JSON, OUT, UNDRAWN, answer, wrapped
from thalweg.lab.errors import UserError
from thalweg.lab.listing import KINDS, Item, items

__all__ = ["list_items"]

_HEADS = {
    "optimizers": "Optimizers",
    "stages": "Stages, for chains of your own",
    "schedules": "Schedules: functions of the step",
    "schedulers": "Schedulers, under torch's names",
}


def list_items(
    kind: Annotated[str | None, typer.Argument(metavar="KIND", hidden=True)] = None,
    find: Annotated[
        str | None,
        typer.Option(metavar="WORD", help="Only those whose name, line or paper has it."),
    ] = None,
    seed: UNDRAWN = 0,
    as_json: JSON = False,
    out: OUT = None,
) -> None:
    """List what there is, a line each, with its paper.

    KIND is optimizers, stages, schedules or schedulers; without it, all four. `thalweg show NAME`
    tells more of each.
    """
    kinds = KINDS if kind is None else (_kind(kind),)
    listed = [item for item in items(kinds) if find is None or _has(item, find.lower())]
    if not listed:
        raise UserError(f"nothing that `thalweg list` has is about {find!r}")
    answer(lambda width: _lines(listed, width), _plainly(listed), as_json, out)


def _has(item: Item, word: str) -> bool:
    return any(word in text.lower() for text in (item.name, item.line, item.paper))


def _kind(typed: str) -> str:
    same = {"rules": "optimizers", "rule": "optimizers"}
    same |= {kind.removesuffix("s"): kind for kind in KINDS} | {kind: kind for kind in KINDS}
    if typed.lower() not in same:
        raise UserError(f"KIND must be one of {', '.join(KINDS)}, got {typed!r}")
    return same[typed.lower()]


def _plainly(listed: list[Item]) -> list[dict[str, Any]]:
    """The items as a program wants them."""
    keys = ("name", "kind", "line", "paper")
    return [{key: getattr(item, key) for key in keys} for item in listed]


def _lines(listed: list[Item], width: int) -> list[str]:
    longest = max(len(item.name) for item in listed)
    lines: list[str] = []
    for kind in dict.fromkeys(item.kind for item in listed):
        mine = [one for one in listed if one.kind == kind]
        head = f"{_HEADS[kind]} ({len(mine)})"
        lines += ["", *wrapped(head, width), ""] if lines else [head, ""]
        for item in mine:
            said = item.line
            said += f". {item.paper}" if item.paper else "."
            if width >= longest + 40:
                head = f"  {item.name:<{longest}}  "
                lines += wrapped(said, width, head, " " * len(head))
            else:
                lines += [f"  {item.name}", *wrapped(said, width, "    ")]
    return lines
