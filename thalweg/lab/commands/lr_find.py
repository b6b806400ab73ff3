"""`thalweg lr-find`: the range test on the digits, on other data, or on the user's own task."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thalweg.lab.answers import JSON, answer, as_json, is_plain, table, wrapped, write
from thalweg.lab.asked import BACKEND, BATCH_SIZE, DATA, FILE, MODEL
from thalweg.lab.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from thalweg.lab.range_test import RangeTest
    from thalweg.lab.range_test.on_task import Found

__all__ = ["find_lr"]

_PICTURES = (".png", ".svg", ".pdf")
_FORMS = (*_PICTURES, ".json", ".txt")


def find_lr(
    optimizer: Annotated[str, typer.Argument(metavar="OPTIMIZER", hidden=True)] = "adam",
    data: DATA = None,
    model: MODEL = "mlp",
    backend: BACKEND = "mytorch",
    batch_size: BATCH_SIZE = 64,
    low: Annotated[float, typer.Option(metavar="LR", help="The rate of the first step.")] = 1e-6,
    high: Annotated[float, typer.Option(metavar="LR", help="The rate of the last step.")] = 10.0,
    steps: Annotated[
        int, typer.Option(min=10, metavar="N", help="How many steps are taken between them.")
    ] = 120,
    seeds: Annotated[
        int, typer.Option(min=1, metavar="N", help="From how many first weights.")
    ] = 3,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The first seed of them.")] = 1,
    as_json_too: JSON = False,
    out: FILE = None,
) -> None:
    """Find a learning rate to begin with: train while it grows, and see where the loss falls.

    OPTIMIZER is a name with settings, "sgd(momentum=0.9)", torch.optim:AdamW or FILE.py:Rule. The
    rate grows by the same factor at every step; suggested is where the loss falls fastest. It is a
    rate to begin with: `thalweg compare` searches for the best one. As a library:
    thalweg.lab.lr_find(model, loss, loader, optimizer).
    """
    suffix = Path(out).suffix.lower() if out is not None else ""
    if out is not None and suffix not in _FORMS:
        raise UserError(f"--out must end in {', '.join(_FORMS)}, got {out!r}")
    if not 0 < low < high < float("inf"):
        raise UserError(f"--low and --high must be 0 < low < high, got {low:g} and {high:g}")
    from thalweg.lab.range_test.on_task import find_on_task
    from thalweg.lab.specification import ranges, read
    from thalweg.lab.tasks.builtin import open_task

    wanted = read(optimizer)
    if "lr" in wanted.settings or ranges(wanted.settings):
        raise UserError(f"{optimizer}: lr is what is looked for, and a range is for a search")
    task = open_task(data, model, backend, batch_size)
    found = find_on_task(wanted, task, low, high, steps, range(seed, seed + seeds))
    plain = is_plain(getattr(sys.stdout, "encoding", None))
    if suffix in _PICTURES:
        _draw(str(out), found)
    elif suffix == ".json":
        write(str(out), as_json(_plainly(found)) + "\n")
    elif suffix == ".txt":
        write(str(out), "\n".join(_lines(found, 80, True)) + "\n")
    answer(lambda width: _lines(found, width, plain), _plainly(found), as_json_too)
    if out is not None and not as_json_too:
        print(f"\nWritten: {out}")


def _lines(found: Found, width: int, plain: bool) -> list[str]:
    """The mean curve, what each start suggests, and the rate to begin with."""
    from thalweg.lab.chart import chart

    lr, curve = _mean_curve(found.tests)
    lines = wrapped(f"{found.optimizer}. {found.task}.", width)
    ends = (f"lr {lr[0]:.3g}", f"{lr[-1]:.3g}")
    rate = found.suggested
    mark = None if rate is None else math.log(rate / lr[0]) / math.log(lr[-1] / lr[0])
    lines += ["", *chart([curve], width, plain=plain, ends=ends, mark=mark), ""]
    heads = ["start", "steepest", "lowest", "lost from", "suggested"]
    rows = []
    for i, one in enumerate(found.tests, 1):
        seen = one.suggestion
        cells = (seen.steepest, seen.lowest, seen.breaks, seen.lr)
        rows.append([str(i), *("-" if cell is None else f"{cell:.3g}" for cell in cells)])
    lines += [*table(heads, rows, width), ""]
    spread = found.spread
    if rate is None or spread is None:
        return lines + wrapped(f"No rate is suggested. {found.reason}", width)
    several = f" (from {len(found.tests)} starts: {spread[0]:.2g} to {spread[1]:.2g})"
    said = f"Suggested: lr={rate:.2g}{several if len(found.tests) > 1 else ''}. {found.reason}"
    return lines + wrapped(said, width)


def _mean_curve(
    tests: Sequence[RangeTest],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The rates that all tests have come to, and the mean loss there, cut off above the start."""
    import numpy as np

    shortest = min(len(one.lr) for one in tests)
    curve = np.mean([one.smooth[:shortest] for one in tests], axis=0)
    finite = curve[np.isfinite(curve)]
    if finite.size:
        top = finite[0] + 0.5 * (finite[0] - finite.min()) + 0.05 * abs(finite[0])
        curve = np.where(np.isfinite(curve), np.minimum(curve, top), curve)
    return tests[0].lr[:shortest], curve


def _draw(out: str, found: Found) -> None:
    from thalweg.pictures.range_test import draw_range_test

    curves = [(one.lr, one.loss, one.smooth) for one in found.tests]
    try:
        draw_range_test(Path(out), curves, found.suggested, found.optimizer)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None


def _plainly(found: Found) -> dict[str, Any]:
    """What was found as a program wants it."""
    return {
        "optimizer": found.optimizer,
        "task": found.task,
        "suggested": found.suggested,
        "spread": found.spread,
        "reason": found.reason,
        "tests": list(found.tests),
    }
