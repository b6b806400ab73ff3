"""`thalweg schedule`: what a schedule does, in the terminal, as a picture or as numbers."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from thalweg.lab.answers import JSON, answer, as_json, is_plain, table, wrapped, write
from thalweg.lab.chart import MARKS, chart
from thalweg.lab.errors import UserError
from thalweg.lab.typed_schedule import Typed, read_schedule

__all__ = ["PLATE", "Curve", "curve_of", "plate", "schedule"]

_PICTURES = (".png", ".svg", ".pdf")
_FORMS = (*_PICTURES, ".csv", ".json", ".txt")
_MOST = 10_000_000

# Every scheduler that torch's own pages show, at lr 0.1 as there, with what each is given there,
# or with what shows it best where nothing is said.
PLATE = (
    "LambdaLR(lambda t: 0.95**t)",
    "MultiplicativeLR(lambda t: 0.95)",
    "StepLR(step_size=30, gamma=0.1)",
    "MultiStepLR(milestones=[30, 80], gamma=0.1)",
    "ConstantLR(factor=0.5, total_iters=40)",
    "LinearLR(start_factor=0.1, total_iters=50)",
    "ExponentialLR(gamma=0.9)",
    "PolynomialLR(total_iters=100, power=2)",
    "CosineAnnealingLR(T_max=50)",
    "CosineAnnealingWarmRestarts(T_0=15, T_mult=2)",
    "CyclicLR(base_lr=0.01, max_lr=0.1, step_size_up=20)",
    "OneCycleLR(max_lr=0.1, total_steps=100)",
    "ReduceLROnPlateau(factor=0.5, patience=10)",
    "SWALR(anneal_strategy='linear', anneal_epochs=5, swa_lr=0.05)",
    "ChainedScheduler([ExponentialLR(gamma=0.9), MultiStepLR(milestones=[30, 80], gamma=0.1)])",
    "SequentialLR([LinearLR(start_factor=0.1, total_iters=20), ExponentialLR(gamma=0.97)], "
    "milestones=[20])",
)
_PLATE_STEPS = 121
_PLATE_LR = 0.1


@dataclass(frozen=True)
class Curve:
    """One curve: what it is called, and its value at each step from 0 on."""

    text: str
    values: NDArray[np.float64]


def curve_of(text: str, steps: int | None = None, lr: float = 1.0) -> list[Curve]:
    """The curve that a text says, one for each group that it tells apart; `lr` is the base value.

        curve_of("warmup(500) >> cosine(10000)", lr=3e-4)[0].values

    Without `steps` there are as many as show what it does. Raises UserError.
    """
    typed = read_schedule(text)
    return _curves(typed, typed.steps if steps is None else steps, lr)


def _curves(typed: Typed, steps: int, lr: float) -> list[Curve]:
    try:
        values = typed.values(steps, lr)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise UserError(f"{typed.text}: {error}") from None
    if values.shape[1] == 1:
        return [Curve(typed.text, values[:, 0])]
    return [Curve(f"{typed.text}, group {i}", column) for i, column in enumerate(values.T)]


def plate() -> list[Curve]:
    """The curves of the plate: every scheduler of torch's, with its arguments."""
    return [curve for text in PLATE for curve in curve_of(text, _PLATE_STEPS, _PLATE_LR)]


def schedule(
    texts: Annotated[list[str] | None, typer.Argument(metavar="SCHEDULE", hidden=True)] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Draw every scheduler of torch's, each by itself.")
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=2, max=_MOST, metavar="N", help="How many steps are shown.")
    ] = None,
    lr: Annotated[float, typer.Option(metavar="LR", help="The base value.")] = 1.0,
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
    if every:
        curves = plate()
    else:
        typed = [read_schedule(text) for text in texts or []]
        length = steps or max(one.steps for one in typed)
        curves = [curve for one in typed for curve in _curves(one, length, lr)]
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
    lines: list[str] = []
    for curve in curves:
        lines += [""] if lines else []
        lines += [*wrapped(curve.text, width, "", "  "), *chart([curve.values], width, 5, plain)]
    return lines
