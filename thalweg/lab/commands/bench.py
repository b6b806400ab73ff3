"""`thalweg bench`: the step time of optimizers on this machine, beside torch's and the floor."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from thalweg.lab.answers import JSON, OUT, answer, table, wrapped
from thalweg.lab.asked import BATCH_SIZE
from thalweg.lab.bar import bar
from thalweg.lab.bench.shapes import SHAPES
from thalweg.lab.errors import UserError

if TYPE_CHECKING:
    from thalweg.lab.bench.measured import Bench, Measured, Subject

__all__ = ["bench_optimizers"]

_USUAL = ("sgd(momentum=0.9)", "adam", "adamw", "radam", "ranger")


def bench_optimizers(
    optimizers: Annotated[
        list[str] | None, typer.Argument(metavar="OPTIMIZER", hidden=True)
    ] = None,
    shapes: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"What is stepped: {', '.join(SHAPES)}; default: mlp."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="Step the parameters of a model instead: mlp, cnn, or FILE.py:function.",
        ),
    ] = None,
    batch_size: BATCH_SIZE = 64,
    backend: Annotated[
        str, typer.Option(metavar="NAME", help="Where they are stepped: mytorch or torch.")
    ] = "mytorch",
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Threads to compute on; default: all.")
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=4, metavar="N", help="Rounds of turns, at least.")
    ] = 30,
    seconds: Annotated[
        float | None,
        typer.Option(min=0, metavar="S", help="Seconds for each optimizer, at least; default: 2."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The seed of the model.")] = 0,
    as_json: JSON = False,
    out: OUT = None,
) -> None:
    """Time a step of optimizers on this machine, beside torch's and the floor.

    OPTIMIZER is a name with settings, "ranger(k=5)", torch.optim:AdamW or FILE.py:Rule; without any
    there are SGD with momentum, Adam, AdamW, RAdam and Ranger. All take turns in one process. The
    floor is what one flat p += g takes for as many reads and writes. --backend torch sets torch's
    loop, foreach and fused forms beside ours.
    """
    from thalweg.lab.bench.measured import bench
    from thalweg.lab.bench.timing import SECONDS
    from thalweg.lab.specification import ranges, read, split

    wanted = [read(text) for text in split(optimizers or list(_USUAL))]
    for one in wanted:
        if ranges(one.settings):
            raise UserError(f"{one.label}: a range is for a search; give one value")
        if one.name == "LBFGS":
            raise UserError("LBFGS evaluates the model within its step, which is not timed here")
    subject = _subject(shapes, model, backend, batch_size, seed)
    least = SECONDS if seconds is None else seconds
    with bar("timing", len(wanted)) as tell:
        found = bench(wanted, subject, rounds=rounds, seconds=least, threads=threads, progress=tell)
    answer(lambda width: _lines(found, width), found, as_json, out)


def _subject(
    shapes: str | None, model: str | None, backend: str, batch_size: int, seed: int
) -> Subject:
    from thalweg.lab.bench.measured import of_shapes, of_task
    from thalweg.lab.tasks.builtin import open_task

    if model is None:
        return of_shapes(shapes or "mlp", backend)
    if shapes is not None:
        raise UserError("--shapes and --model both say what is stepped: give one of them")
    return of_task(open_task(None, model, backend, batch_size), seed)


def _lines(found: Bench, width: int) -> list[str]:
    from thalweg.lab.bench.timing import FORMS

    medians = [one.seconds["ours"].median for one in found.optimizers]
    unit, scale = ("ms", 1e3) if max(medians) > 1e-3 else ("us", 1e6)
    threads = found.environment["threads"]
    said = (
        f"{found.subject} in {found.framework}: {found.tensors} tensors, {found.elements:,} "
        f"parameters, {threads} thread{'s' * (threads != 1)}. Medians of a step in {unit}"
    )
    forms = [form for form in FORMS if any(form in one.seconds for one in found.optimizers)]
    said += "; * is torch's best." if forms else "."
    heads = ["", "ours", "floor", *forms, "ours/floor", *(["best/ours"] if forms else [])]
    rows = [_row(one, forms, scale) for one in found.optimizers]
    lines = [*wrapped(said, width), "", *table(heads, rows, width, ""), ""]
    lines += wrapped(
        f"The floor is what one flat p += g takes for as many reads and writes: it moves "
        f"{found.gb_per_s:.3g} GB/s.",
        width,
    )
    if found.backward is not None:
        lines += wrapped(_share(found, unit, scale), width)
    cpu = found.environment["machine"]["processor"]
    lines += wrapped(f"{cpu}, {os.cpu_count()} cores. {found.remark}".rstrip(), width)
    return lines


def _share(found: Bench, unit: str, scale: float) -> str:
    assert found.backward is not None
    slowest = max(found.optimizers, key=lambda one: one.seconds["ours"].median)
    backward, step = found.backward.median, slowest.seconds["ours"].median
    return (
        f"A forward and backward pass takes {backward * scale:.4g} {unit}: of a whole iteration "
        f"{slowest.name}'s step is {step / (step + backward):.0%}."
    )


def _row(one: Measured, forms: Sequence[str], scale: float) -> list[str]:
    def time_of(name: str) -> str:
        if name not in one.seconds:
            return "-"
        return f"{one.seconds[name].median * scale:.4g}" + "*" * (name == one.torch_best)

    def ratio_of(name: str) -> str:
        return f"{one.ratios[name].value:.2f}" if name in one.ratios else "-"

    shown = [one.name, *map(time_of, ("ours", "floor", *forms)), ratio_of("ours / floor")]
    return [*shown, *([ratio_of("torch best / ours")] if forms else [])]
