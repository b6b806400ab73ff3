"""`thalweg explain`: a step in numbers, on a quadratic or for a parameter of a checkpoint."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thalweg.lab.answers import JSON, OUT, answer, table, wrapped
from thalweg.lab.errors import UserError

if TYPE_CHECKING:
    from thalweg.lab.explain import Explanation

__all__ = ["explain"]

_SHOWN = 8
_LONG = 20_000  # steps, from which on it takes more than two seconds


def explain(
    optimizer: Annotated[str | None, typer.Argument(metavar="OPTIMIZER", hidden=True)] = None,
    step: Annotated[
        int, typer.Option(min=1, max=10_000_000, metavar="N", help="Which step is explained.")
    ] = 7,
    element: Annotated[
        str | None,
        typer.Option(metavar="I,J", help="Which element of the parameter; default: the first."),
    ] = None,
    backend: Annotated[
        str, typer.Option(metavar="NAME", help="Where it steps: mytorch or torch.")
    ] = "mytorch",
    seed: Annotated[int, typer.Option(min=0, help="What the start is drawn with.")] = 0,
    checkpoint: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Explain the next step of a saved training instead."),
    ] = None,
    param: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which parameter of the checkpoint.")
    ] = None,
    grad: Annotated[
        float | None,
        typer.Option(metavar="G", help="Its gradient, which no checkpoint has; default: its mean."),
    ] = None,
    as_json: JSON = False,
    out: OUT = None,
) -> None:
    """Show what each line of an optimizer makes of its numbers, step by step.

    OPTIMIZER is a name, with settings if need be, ranger(k=5, lr=0.1), FILE.py:Rule or, with
    --backend torch, torch.optim:AdamW. It steps on a quadratic valley of 2 x 3 weights, from 1 to
    10 times as steep; with --checkpoint FILE --param NAME the next step of a saved parameter is
    explained. As a library: thalweg.explain(opt, p).
    """
    at = None if element is None else _element(element)
    if checkpoint is not None:
        _tell_checkpoint(optimizer, checkpoint, param, at, grad, as_json, out)
        return
    if optimizer is None:
        raise UserError("name an optimizer, such as ranger, or give --checkpoint FILE")
    if param is not None or grad is not None:
        raise UserError("--param and --grad are for a --checkpoint")
    from thalweg.lab.explain.told import told

    steps = _steps(optimizer, step, seed, at, backend)
    answer(
        lambda width: [*_table(steps, step, width), *told(steps[-1], width, step)],
        list(map(_plainly, steps)),
        as_json,
        out,
    )


def _tell_checkpoint(
    optimizer: str | None,
    checkpoint: str,
    param: str | None,
    at: tuple[int, ...] | None,
    grad: float | None,
    as_json: bool,
    out: str | None,
) -> None:
    from thalweg.lab.explain.checkpoint import explain_checkpoint
    from thalweg.lab.explain.told import told
    from thalweg.lab.specification import read

    of = None if optimizer is None else read(optimizer).name
    found, gradient = explain_checkpoint(checkpoint, param, at, grad, of)
    note = f"The gradient is {gradient}."
    answer(
        lambda width: [*told(found, width), "", *wrapped(note, width)],
        [_plainly(found)],
        as_json,
        out,
    )


def _element(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(one) for one in text.split(","))
    except ValueError:
        said = f"--element must be whole numbers with commas, such as 0,2, got {text!r}"
        raise UserError(said) from None


def _steps(
    text: str, step: int, seed: int, at: tuple[int, ...] | None, backend: str
) -> list[Explanation]:
    """The steps up to this one on the quadratic."""
    from thalweg.lab.explain.quadratic import steps_on_quadratic
    from thalweg.lab.frameworks import load_backend
    from thalweg.lab.specification import ranges, read
    from thalweg.naming import BESIDE

    wanted = read(text)
    if wanted.name in BESIDE:
        raise UserError(f"{wanted.name} is not written as a rule, whose lines could be shown")
    if ranges(wanted.settings):
        raise UserError(f"{text}: a range is for a search; give one value")
    made = load_backend(backend).optimizer_class(wanted.name)
    try:
        make = partial(made, **wanted.settings)
        return steps_on_quadratic(make, step, seed, at, _SHOWN, _tracked, backend)
    except (TypeError, ValueError, ArithmeticError) as error:
        said = str(error).replace("explain: index", "--element")
        raise UserError(said) from None


def _tracked(steps: range) -> Iterable[int]:
    """The same numbers, with a bar where it takes a while and somebody is looking."""
    if len(steps) < _LONG or not sys.stderr.isatty():
        return steps
    from rich.console import Console
    from rich.progress import track

    return track(steps, "stepping", console=Console(stderr=True), transient=True)


def _table(steps: Sequence[Explanation], last: int, width: int) -> list[str]:
    """The steps before and this one, a row each, and which way their `if`s went."""
    from thalweg.lab.explain.quadratic import SHAPE

    kept = [name for name in steps[-1].after if name not in ("p", "g")]
    heads = ["step", "g", *kept, "p", "effective lr"]
    numbers = range(last - len(steps) + 1, last + 1)
    rows = [
        [
            str(t),
            _short(one.before["g"]),
            *(_short(one.after.get(name)) for name in kept),
            _short(one.after["p"]),
            _short(one.effective_lr),
        ]
        for t, one in zip(numbers, steps, strict=True)
    ]
    shape = " x ".join(map(str, SHAPE))
    which = f"element {list(steps[-1].index)}"
    said = f"{steps[-1].optimizer} on a quadratic of {shape} weights, {which}"
    lines = [*wrapped(said, width), "", *table(heads, rows, width, ""), ""]
    for text, ways in _ways(steps).items():
        yes = [t for t, way in zip(numbers, ways, strict=True) if way]
        if 0 < len(yes) < len(steps):
            lines += wrapped(f"{text}: in step{'s' * (len(yes) > 1)} {_said(yes)}", width, "", "  ")
    return [*lines, ""] if lines[-1] else lines


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _ways(steps: Sequence[Explanation]) -> dict[str, list[bool | None]]:
    """Which way each `if` went, step by step."""
    every = [[line for part in one.parts for line in part.lines] for one in steps]
    taken = [{line.text: line.taken for line in lines if line.taken is not None} for lines in every]
    texts = dict.fromkeys(text for one in taken for text in one)
    return {text: [one.get(text) for one in taken] for text in texts}


def _said(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _plainly(found: Explanation) -> dict[str, Any]:
    """An explanation as a program wants it."""
    from thalweg.lab.explain.told import plain

    return {
        "optimizer": found.optimizer,
        "step": found.t,
        "shape": found.shape,
        "index": found.index,
        "settings": dict(found.settings),
        "before": dict(found.before),
        "after": dict(found.after),
        "step_size": found.step_size,
        "effective_lr": found.effective_lr,
        "parts": [
            {"name": part.name, "lines": plain(part.lines), "changed": dict(part.changed)}
            for part in found.parts
        ],
    }
