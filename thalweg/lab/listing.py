"""Every optimizer, stage, schedule and scheduler by name, with what it is and its paper."""

from __future__ import annotations

import ast
import difflib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import thalweg
from thalweg.lab.errors import UserError

__all__ = ["KINDS", "Item", "items", "named"]

KINDS = ("optimizers", "stages", "schedules", "schedulers")

# what is no rule: the file of its class
_BESIDE = {"LBFGS": "mytorch/optim/lbfgs.py"}


@dataclass(frozen=True)
class Item:
    """Something that can be shown: its name, its kind, what it is in a line, and its paper."""

    name: str
    kind: str
    line: str
    paper: str
    doc: str

    @classmethod
    def of(cls, name: str, kind: str, doc: str) -> Item:
        """An item out of a docstring of the house's form."""
        doc = inspect.cleandoc(doc)
        return cls(name, kind, _line(name, doc), _paper(doc), doc)


def items(kinds: tuple[str, ...] = KINDS) -> list[Item]:
    """Everything that thalweg has of these kinds, by kind and name."""
    makers = {
        "optimizers": _optimizers,
        "stages": _stages,
        "schedules": _schedules,
        "schedulers": _schedulers,
    }
    return [item for kind in kinds for item in makers[kind]()]


def _optimizers() -> Iterator[Item]:
    from thalweg.optimizers import OPTIMIZERS

    for name in sorted({*OPTIMIZERS, *_BESIDE}, key=str.lower):
        if name in OPTIMIZERS:
            yield Item.of(name, "optimizers", OPTIMIZERS[name].doc)
        else:
            yield Item.of(name, "optimizers", _doc_in(_BESIDE[name], name))


def _doc_in(file: str, name: str) -> str:
    """The docstring of a class, read without importing the engine."""
    path = Path(thalweg.__file__).parent / file
    tree = ast.parse(path.read_text(encoding="utf-8"))
    (node,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    return ast.get_docstring(node) or ""


def _stages() -> Iterator[Item]:
    from thalweg import stages

    for name in stages.STAGES:
        yield Item.of(name, "stages", getattr(stages, name).__doc__ or "")


def _schedules() -> Iterator[Item]:
    from thalweg import schedules

    for name in schedules.__all__:
        if name[0].islower():
            yield Item.of(name, "schedules", getattr(schedules, name).__doc__ or "")


def _schedulers() -> Iterator[Item]:
    from thalweg.mytorch.optim import lr_scheduler

    for name in lr_scheduler.__all__:
        if name != "LRScheduler":
            yield Item.of(name, "schedulers", getattr(lr_scheduler, name).__doc__ or "")


def _line(name: str, doc: str) -> str:
    """The first sentence of a docstring, without the name if it begins with that."""
    first = " ".join(doc.partition("\n\n")[0].split())
    first = re.split(r"(?<=[a-z0-9)])\. ", first)[0].removesuffix(".")
    head, colon, rest = first.partition(": ")
    is_name = head.replace(" ", "").lower() == name.lower()
    return rest[:1].upper() + rest[1:] if colon and is_name else first


def _paper(doc: str) -> str:
    """What stands behind `Paper:`, up to its first sentence or its first semicolon."""
    said = re.search(r"^Paper: (.+?)(?=^\w+:|\n\n|\Z)", doc, re.MULTILINE | re.DOTALL)
    if not said:
        return ""
    text = " ".join(said[1].split())
    first = re.split(r"(?<!\bal)\.(?: |$)|; ", text)[0]
    if "arXiv" not in first and (number := re.search(r"arXiv:[\d.]+\d", text)):
        first += f", {number[0]}"
    return "" if first == "none" else first


def named(typed: str) -> Item:
    """The item of that name, in any case; an error proposes the one with the closest name."""
    # of two with one name, SAM the optimizer and the stage, the optimizer
    known = {item.name.lower(): item for item in reversed(items())}
    if typed.lower() in known:
        return known[typed.lower()]
    close = difflib.get_close_matches(typed.lower(), known, 1)
    hint = f" (did you mean {known[close[0]].name}?)" if close else ""
    raise UserError(f"nothing is called {typed!r}{hint}; `thalweg list` has every name")
