"""The commands and their options; each command imports what it runs only when it runs.

A command with a file of its own is registered with one line at the end of this one,
`app.command()(function)`. What cannot be done is said by raising `UserError`.
"""

import io
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from thalweg import __version__
from thalweg.lab.contestants import DEFAULT_NAMES, Budget, enter
from thalweg.lab.errors import UserError
from thalweg.lab.network import BACKENDS

__all__ = ["app", "run"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run() -> int:
    """Run the command on the command line and give its exit code; errors are one sentence."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no µ gets a ?
    try:
        return app(prog_name="thalweg", standalone_mode=False) or 0
    except typer.TyperException as error:
        return _refuse(" ".join(error.format_message().split()))
    except UserError as error:
        return _refuse(str(error))


def _refuse(sentence: str) -> int:
    if sentence:  # none where typer has already printed the help
        print(f"thalweg: {sentence}", file=sys.stderr)
    return 2


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"thalweg {__version__}")
        raise typer.Exit


@app.callback()
def thalweg(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Gradient optimizers, each written once and compiled into one fused pass."""


def _count(text: str) -> Any:
    return typer.Option(min=1, metavar="N", help=text)


_Optimizers = typer.Argument(
    metavar="OPTIMIZER", help=f"Names, in any case. Without any: {' '.join(DEFAULT_NAMES)}."
)
_Lr = typer.Option(
    metavar="NAME=VALUE", help="Learning rate of one optimizer, not to be chosen; repeatable."
)
_Backend = typer.Option(
    metavar="|".join(BACKENDS),
    help="What the network is written in: mytorch, thalweg's own on NumPy, or torch.",
)
_Name = typer.Option(
    metavar="NAME",
    help="Write to runs/NAME and replace what an earlier run wrote there. "
    "Without it: runs/compare-DATE-TIME, always new.",
)
_Out = typer.Option(
    metavar="FOLDER", help="Write to this folder instead and replace what an earlier run wrote."
)


@app.command()
def compare(
    optimizers: Annotated[list[str] | None, _Optimizers] = None,
    lr: Annotated[list[str] | None, _Lr] = None,
    seeds: Annotated[int, _count("Trainings of each optimizer.")] = Budget().seeds,
    epochs: Annotated[int, _count("Passes over the training images.")] = Budget().epochs,
    batch_size: Annotated[int, _count("Images in a batch.")] = Budget().batch_size,
    backend: Annotated[str, _Backend] = "mytorch",
    name: Annotated[str | None, _Name] = None,
    out: Annotated[Path | None, _Out] = None,
) -> None:
    """Train one small network with several optimizers and see how they do.

    The network reads scikit-learn's 1,797 handwritten digits; a third of them
    is held out as the test. Every optimizer starts each seed from the same
    weights and sees the same batches. It first chooses its learning rate from
    a grid common to all, by its loss on validation images.

    Writes results.json and curves.png. Ctrl-C keeps what is finished.
    """
    contestants = enter(optimizers or [], lr or [])

    from thalweg.lab.compare import compare

    raise typer.Exit(compare(contestants, Budget(seeds, epochs, batch_size), backend, name, out))
