"""The commands and their options; each command imports what it runs only when it runs.

A command with a file of its own is registered with one line at the end of this one,
`app.command()(function)`. What cannot be done is said by raising `UserError`.
"""

import shutil
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer

from thalweg import __version__
from thalweg.lab.cache import cache
from thalweg.lab.contestants import Budget, enter
from thalweg.lab.errors import UserError
from thalweg.lab.explain.command import explain
from thalweg.lab.frameworks import BACKENDS
from thalweg.lab.listing import list_items
from thalweg.lab.output import watch_output
from thalweg.lab.schedule import schedule
from thalweg.lab.show import show

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


# told in the command's own text, where it needs no column of its own
_Optimizers = typer.Argument(metavar="OPTIMIZER", hidden=True)
_Lr = typer.Option(
    metavar="NAME=VALUE", help="Learning rate of one optimizer, not to be chosen; repeatable."
)
_Backend = typer.Option(
    metavar="NAME",
    help=f"What the network is written in: {' or '.join(BACKENDS)}; mytorch is thalweg's own, on "
    "NumPy.",
)
_Name = typer.Option(
    metavar="NAME",
    help="Write to runs/NAME and replace what an earlier run wrote there. "
    "Without it: a new folder in runs/, named after the time.",
)
_Out = typer.Option(
    metavar="FOLDER", help="Write to this folder instead and replace what an earlier run wrote."
)


@app.command(short_help="Train one small network with several optimizers.")
def compare(
    optimizers: Annotated[list[str] | None, _Optimizers] = None,
    lr: Annotated[list[str] | None, _Lr] = None,
    seeds: Annotated[int, _count("Trainings of each optimizer.")] = Budget().seeds,
    epochs: Annotated[int, _count("Passes over the training images.")] = Budget().epochs,
    batch_size: Annotated[int, _count("Images in a batch.")] = Budget().batch_size,
    backend: Annotated[str, _Backend] = "mytorch",
    name: Annotated[str | None, _Name] = None,
    out: Annotated[str | None, _Out] = None,
) -> None:
    """Train one small network with several optimizers and see how they do.

    OPTIMIZER is a name, in any case. Without any there are SGD, Adam, AdamW, RAdam and Ranger.

    The network reads scikit-learn's 1,797 handwritten digits; a third of them is held out as the
    test. Every optimizer starts each seed from the same weights and sees the same batches. It
    first chooses its learning rate from a grid common to all, by its loss on validation images.

    Writes results.json and curves.png. Ctrl-C keeps what is finished.
    """
    contestants = enter(optimizers or [], lr or [])

    from thalweg.lab.compare import compare

    raise typer.Exit(compare(contestants, Budget(seeds, epochs, batch_size), backend, name, out))


app.command("list", short_help="List optimizers, stages and schedules.")(list_items)
app.command(short_help="Show the mathematics of one, or what its steps cost.")(show)
app.command(short_help="Show what a schedule does, step by step.")(schedule)
app.command(short_help="Show a step of an optimizer in numbers.")(explain)
app.command(short_help="Show, bound or clear the kept kernels.")(cache)
