"""Writes `docs/optimizers.md`: every optimizer in a table, then its mathematics and its settings.

    python -m scripts.write_optimizers            write it anew
    python -m scripts.write_optimizers --check    say whether it is current, and change nothing

All of it is said elsewhere: in docstrings, declarations, `thalweg.meanings` and the plans.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from thalweg.border.help import explained
from thalweg.chain import Chain
from thalweg.fuse.passes import passes
from thalweg.lab.facts import facts
from thalweg.lab.listing import Item, items
from thalweg.optimizers import OPTIMIZERS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "optimizers.md"

# how a sentence begins that says when to want an optimizer
_FOR = ("For ", "Made for ", "Meant ", "The default ", "A drop-in ", "Takes an lr ", "Wants ")

STEPS = 100  # that are looked at for what a step reads and writes mostly

_INTRODUCTION = """# Optimizers

Made by `scripts/write_optimizers.py` out of the docstrings; change those rather than this page.

Each is `thalweg.optim.NAME` for PyTorch, `thalweg.mytorch.optim.NAME` for NumPy, and
`create("name", model, lr=...)` of either module by its name, in any case. `help(optim.Lion)` says
of one what its section says here, `thalweg show lion` also its source.
[docs/letters.md](letters.md) says what the letters mean.

*Kind* is what a step needs beside the element that it moves: nothing (elements), sums over the rows
or the whole of its tensor, sums over all tensors, products of matrices, or another gradient.
*State* is what is kept for each element of a matrix in float32, in bytes; what is kept per row, per
column or per tensor is not counted. *Streams* are the arrays of the parameter's size that most
steps read and write, which is the time that a large model's step takes: AdamW has 7. Products of
matrices come on top.

| | what it is | when to want it | kind | state | streams | paper |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """The text of the page."""
    listed = items(("optimizers",))
    rows = "".join(map(_row, listed))
    return _INTRODUCTION + rows + "".join("\n" + _section(item) for item in listed)


def _row(item: Item) -> str:
    *_, reason = ["", *_reason(item)]
    cells = [f"[{item.name}](#{item.name.lower()})", f"{item.line}.", _when(reason)]
    if item.name in OPTIMIZERS:
        made = OPTIMIZERS[item.name]
        told = facts(item)
        cells += [kind(made), str(told.bytes_per_element), streams(made)]
    else:
        cells += ["for PyTorch alone", "", ""]
    return f"| {' | '.join([*cells, item.paper])} |\n"


def kind(made: Chain) -> str:
    """What a step needs beside the element that it moves."""
    if _asks(made):
        return "another gradient"
    if _multiplies(made):
        return "matrices"
    if made.asked_of_all:
        return "sums over all"
    if made.reductions:
        return "sums over the tensor"
    return "sums over rows" if made.reduces_rows or made.reads_columns else "elements"


def streams(made: Chain) -> str:
    """How many arrays most steps read and write."""
    usual = max(passes(made, steps=STEPS), key=lambda one: len(one.steps))
    count = sum(len(one.reads) + len(one.writes) for one in usual.passes)
    return f"{count}{' and products' if _multiplies(made) else ''}"


def _asks(made: Chain) -> bool:
    """Whether a step asks for more than random numbers."""
    return any(one.kind != "noise" for one in made.requests.values())


def _multiplies(made: Chain) -> bool:
    return any(part.declared.text.matrices for part in made.parts)


def _reason(item: Item) -> Sequence[str]:
    """The paragraphs between the name and the equations: one, or none."""
    return [one for one in item.doc.split("\n\n")[1:] if not re.match(r" |Paper:", one)][:1]


def _when(reason: str) -> str:
    """The sentence of a reason that says for what it is, or else the last one on no setting."""
    sentences = re.split(r"(?<=\.)\s+", " ".join(reason.split()).removesuffix(":"))
    plain = ["", *(one for one in sentences if one[:1].isupper())]
    return next((one for one in plain if one.startswith(_FOR)), plain[-1])


def _section(item: Item) -> str:
    lines = [f"## {item.name}", ""]
    for paragraph in item.doc.split("\n\n"):
        lines += [*_paragraph(paragraph), ""]
    if item.name in OPTIMIZERS:
        lines += [*_settings(OPTIMIZERS[item.name]), "", *_memory(item), ""]
    return "\n".join(lines)


def _paragraph(text: str) -> Iterator[str]:
    """One of a docstring; behind the equations each part stands by itself."""
    if text.startswith(" "):
        yield from inspect.cleandoc(text).join(("```\n", "\n```")).splitlines()
    else:
        yield re.sub(r"\n(Differs:)", r"\n\n\1", text)


def _memory(item: Item) -> Iterator[str]:
    said = facts(item).memory
    yield f"{said[:1].upper()}{said[1:]}."


def _settings(made: Chain) -> Iterator[str]:
    yield "| setting | default | |"
    yield "|---|---|---|"
    said = explained(made, {})
    for name in made.signature.shown:
        yield f"| `{name}` | `{made.settings[name].default!r}` | {said[name]} |"


def main(arguments: Sequence[str], path: Path = PAGE) -> int:
    """Write the page; with `--check`, only compare. Returns the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: write_optimizers [--check]", file=sys.stderr)
        return 2
    if not arguments:
        path.write_text(page(), encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != page():
        print(f"{path.name} is not current: python -m scripts.write_optimizers", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
