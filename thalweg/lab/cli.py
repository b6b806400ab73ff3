"""The commands and their options; each command imports what it runs only when it runs.

A command with a file of its own is registered with one line at the end of this one,
`app.command()(function)`. What cannot be done is said by raising `UserError`.
"""

import shlex
import shutil
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer

from thalweg import __version__
from thalweg.lab.cache import cache
from thalweg.lab.commands.bench import bench_optimizers
from thalweg.lab.commands.choose import choose_optimizer
from thalweg.lab.commands.explain import explain
from thalweg.lab.commands.listing import list_items
from thalweg.lab.commands.lr_find import find_lr
from thalweg.lab.commands.schedule import schedule
from thalweg.lab.commands.show import show
from thalweg.lab.contest import Budget
from thalweg.lab.contestants import enter
from thalweg.lab.errors import UserError
from thalweg.lab.frameworks import BACKENDS
from thalweg.lab.landscape.command import landscape
from thalweg.lab.output import watch_output

__all__ = ["app", "run"]

app = typer.Typer(
    add_completion=False,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text, which breaks well in a narrow window too
    context_settings={"help_option_names": ["-h", "--help"]},
)

_WIDEST = 80


def run() -> int:
    """Run the command on the command line and give its exit code; errors are one sentence."""
    with watch_output() as output:
        code = _attempt()
    if output.error is None:
        return code
    kept = f"; everything is in {output.kept}" if output.kept else ""
    _say(f"cannot write to standard output: {output.error.strerror}{kept}")
    return code or 1


def _attempt() -> int:
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    try:
        return app(prog_name="thalweg", standalone_mode=False, terminal_width=width - 1) or 0
    except typer.TyperException as error:
        sentence = " ".join(error.format_message().split())
    except UserError as error:
        sentence = str(error)
    _say(sentence)
    return 2


def _say(sentence: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"thalweg: {sentence}", file=sys.stderr, flush=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"thalweg {__version__}")
        raise typer.Exit


@app.callback()
def thalweg(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Gradient optimizers, each written once and compiled into one fused pass."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def _count(text: str) -> Any:
    return typer.Option(min=1, metavar="N", help=text)


def _text(metavar: str, text: str) -> Any:
    return typer.Option(metavar=metavar, help=text)


# told in the command's own text, where it needs no column of its own
_Optimizers = typer.Argument(metavar="OPTIMIZER", hidden=True)
_More = typer.Option(
    "--optimizers", metavar="NAME,...", help="The same as OPTIMIZER, with commas between."
)
_Data = _text(
    "WHAT",
    "What mlp and cnn learn: digits (the default), two-moons, csv:PATH, npz:PATH or mnist:PATH.",
)
_Model = _text(
    "WHAT",
    "What is trained: mlp, cnn, or FILE.py:NAME for a function that makes a task of your own.",
)
_Backend = _text(
    "NAME",
    f"What mlp and cnn are written in: {' or '.join(BACKENDS)}; mytorch is thalweg's own, on "
    "NumPy.",
)
_Lr = _text(
    "[NAME=]VALUE", "Learning rate of all, or of one optimizer, not to be searched; repeatable."
)
_Schedule = _text("TEXT", "How lr goes on, such as 'warmup(0.1 * steps) >> cosine(0.9 * steps)'.")
_Tune = typer.Option(
    min=2,
    metavar="N",
    help="Search with N trials of each optimizer, by Optuna, in the place of a grid of rates.",
)
_Time = typer.Option(
    "--budget", metavar="TIME", help="End after a time such as 90s, 10m or 1.5h, all in all."
)
_Storage = _text(
    "URL", "Keep the trainings in a database of SQLite or PostgreSQL, and share the work there."
)
_Join = typer.Option("--join", help="Take part in the work that others do on the same --storage.")
_Resume = typer.Option("--resume", help="Go on with what was interrupted or killed.")
_Keep = _text(
    "TIME", "Keep a training that runs longer than this so often, for --resume to go on within it."
)
_Name = _text(
    "NAME",
    "Write to runs/NAME and replace what an earlier run wrote there. "
    "Without it: a new folder in runs/, named after the time.",
)
_Out = _text("FOLDER", "Write to this folder instead and replace what an earlier run wrote.")
_Json = typer.Option("--json", help="Print the results as JSON, and all else on stderr.")
_Seed = typer.Option(
    min=0, metavar="N", help="The seed of the search; the others count on from it."
)


@app.command(short_help="Train a network with several optimizers and judge them.")
def compare(
    optimizers: Annotated[list[str] | None, _Optimizers] = None,
    more: Annotated[list[str] | None, _More] = None,
    data: Annotated[str | None, _Data] = None,
    model: Annotated[str, _Model] = "mlp",
    backend: Annotated[str, _Backend] = "mytorch",
    lr: Annotated[list[str] | None, _Lr] = None,
    schedule: Annotated[str | None, _Schedule] = None,
    tune: Annotated[int | None, _Tune] = None,
    seeds: Annotated[int, _count("Trainings of each optimizer.")] = Budget().seeds,
    epochs: Annotated[int, _count("Passes over the training split.")] = Budget().epochs,
    batch_size: Annotated[int, _count("Items in a batch, of mlp and cnn.")] = Budget().batch_size,
    budget: Annotated[str | None, _Time] = None,
    jobs: Annotated[int, _count("Trainings at the same time.")] = 1,
    threads: Annotated[int, _count("Threads of each training.")] = Budget().threads,
    storage: Annotated[str | None, _Storage] = None,
    join: Annotated[bool, _Join] = False,
    resume: Annotated[bool, _Resume] = False,
    keep: Annotated[str, _Keep] = "10s",
    seed: Annotated[int, _Seed] = Budget().seed,
    name: Annotated[str | None, _Name] = None,
    out: Annotated[str | None, _Out] = None,
    as_json: Annotated[bool, _Json] = False,
) -> None:
    """Train a network with several optimizers, and judge which of them can be told apart.

    OPTIMIZER is a name, in any case, with settings if you like: "ranger(k=5)",
    "adam(lr=1e-4..1e-1)" for a range to be searched with --tune, torch.optim:AdamW or
    FILE.py:Rule for one from elsewhere. Without any there are SGD, Adam, AdamW, RAdam and Ranger.

    Every optimizer starts each seed from the same weights and sees the same batches. It first
    chooses its learning rate from a grid common to all, by its loss on a validation split; the
    test split is looked at once, at the end.

    Writes results.json, runs.csv, curves.png and report.html. Ctrl-C keeps what is finished.
    """
    contestants = enter([*(optimizers or []), *(more or [])], lr or [])

    from thalweg.lab.compare import Options, compare, read_time
    from thalweg.lab.work import Source

    source = Source(data, model, backend, batch_size)
    given = Budget(seeds, epochs, batch_size, tune, seed, schedule, threads)
    time = None if budget is None else read_time(budget)
    often = read_time(keep, "--keep", 0)
    options = Options(name, out, resume, storage, join, jobs, time, often, as_json, _typed())
    raise typer.Exit(compare(contestants, given, source, options))


def _typed() -> str:
    """The command as it was typed, to be repeated."""
    words = [word for word in sys.argv[1:] if word not in ("--resume", "--join")]
    return shlex.join(["thalweg", *words])


app.command(short_help="See optimizers move over a surface.")(landscape)
app.command("list", short_help="List optimizers, stages and schedules.")(list_items)
app.command(short_help="Show the mathematics of one, or what its steps cost.")(show)
app.command(short_help="Show what a schedule does, step by step.")(schedule)
app.command(short_help="Show a step of an optimizer in numbers.")(explain)
app.command("lr-find", short_help="Find a learning rate to begin with.")(find_lr)
app.command("bench", short_help="Time a step of optimizers on this machine.")(bench_optimizers)
app.command("choose", short_help="Choose an optimizer to begin with.")(choose_optimizer)
app.command(short_help="Show, bound or clear the kept kernels.")(cache)
