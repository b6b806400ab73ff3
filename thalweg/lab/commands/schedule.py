"""`thalweg schedule`: what a schedule does, in the terminal, as a picture or as numbers."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thalweg.lab.answers import JSON, UNDRAWN, answer, as_json, is_plain, table, wrapped, write
from thalweg.lab.errors import UserError

if TYPE_CHECKING:
    from thalweg.lab.schedule import Curve

__all__ = ["schedule"]

_PICTURES = (".png", ".svg", ".pdf")
_FORMS = (*_PICTURES, ".csv", ".json", ".txt")
_MOST = 10_000_000


def schedule(
    texts: Annotated[list[str] | None, typer.Argument(metavar="SCHEDULE", hidden=True)] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Draw every scheduler of torch's, each by itself.")
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=2, max=_MOST, metavar="N", help="How many steps are shown.")
    ] = None,
    lr: Annotated[float, typer.Option(metavar="LR", help="The base value.")] = 1.0,
    seed: UNDRAWN = 0,
    as_json_too: JSON = False,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write to this file instead: a picture (.png, .svg, .pdf), .csv, .json or .txt.",
        ),
    ] = None,
) -> None:
    """Show what a schedule does: its curve, step by step.

    SCHEDULE is an expression, 'warmup(500) >> cosine(10000)', or a scheduler of torch's with its
    arguments, 'StepLR(30, gamma=0.1)'. Several are drawn over each other. A ReduceLROnPlateau is
    shown with a metric that never improves.
    """
    if every == bool(texts):
        raise UserError("give a schedule, such as 'warmup(500) >> cosine(10000)', or --all")
    suffix = Path(out).suffix.lower() if out is not None else ""
    if out is not None and suffix not in _FORMS:
        raise UserError(f"--out must end in {', '.join(_FORMS)}, got {out!r}")
    from thalweg.lab.schedule import curves_of, plate

    curves = plate() if every else curves_of(texts or [], steps, lr)
    if suffix in _PICTURES:
        _draw(str(out), curves, every)
    elif suffix == ".csv":
        write(str(out), _csv(curves))
    elif suffix == ".json":
        write(str(out), as_json(curves) + "\n")
    if suffix and suffix != ".txt":
        print(f"Written: {out}")
        return
    plain = is_plain(getattr(sys.stdout, "encoding", None))
    show = _each if every else _together
    answer(lambda width: show(curves, width, plain), curves, as_json_too, out)


def _draw(out: str, curves: Sequence[Curve], every: bool) -> None:
    from thalweg.pictures.schedule import draw_overlaid, draw_plate

    draw = draw_plate if every else draw_overlaid
    try:
        draw(Path(out), [(curve.text, curve.values) for curve in curves])
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None


def _csv(curves: Sequence[Curve]) -> str:
    text = io.StringIO()
    written = csv.writer(text, lineterminator="\n")
    written.writerow(["step", *(curve.text for curve in curves)])
    columns = [curve.values.tolist() for curve in curves]
    written.writerows((t, *row) for t, row in enumerate(zip(*columns, strict=True)))
    return text.getvalue()


def _together(curves: Sequence[Curve], width: int, plain: bool) -> list[str]:
    """All in one chart, and their values at five steps."""
    from thalweg.lab.chart import MARKS, chart

    several = len(curves) > 1
    lines: list[str] = []
    for i, curve in enumerate(curves):
        lines += wrapped(curve.text, width, f"{MARKS[i % len(MARKS)]}  " if several else "", "   ")
    lines += ["", *chart([curve.values for curve in curves], width, plain=plain), ""]
    last = len(curves[0].values) - 1
    at = sorted({round(last * part) for part in (0, 0.25, 0.5, 0.75, 1)})
    heads = ["", *(f"step {t}" for t in at)]
    rows = [
        [MARKS[i % len(MARKS)] if several else "value", *(f"{curve.values[t]:.4g}" for t in at)]
        for i, curve in enumerate(curves)
    ]
    return lines + table(heads, rows, width)


def _each(curves: Sequence[Curve], width: int, plain: bool) -> list[str]:
    """One small chart below the other."""
    from thalweg.lab.chart import chart

    lines: list[str] = []
    for curve in curves:
        lines += [""] if lines else []
        lines += [*wrapped(curve.text, width, "", "  "), *chart([curve.values], width, 5, plain)]
    return lines
