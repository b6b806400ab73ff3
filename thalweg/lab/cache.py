"""`thalweg cache`: what the folder of compiled kernels holds; bounds and clears it."""

from dataclasses import dataclass
from typing import Annotated

import typer

from thalweg.fuse import kernel_folder
from thalweg.fuse.kernel_folder import Folder, Kept, Unfit
from thalweg.lab.answers import JSON, OUT, UNDRAWN, answer
from thalweg.lab.errors import UserError

__all__ = ["cache"]


@dataclass(frozen=True)
class State:
    """The folder as it is now, or None where nothing is kept; `removed` if that was asked for."""

    folder: str | None
    kernels: int
    bytes: int
    limit: int
    removed: int | None


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove every kernel.")] = False,
    limit: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Remove the kernels longest unused until the rest fit, say in 64MB.",
        ),
    ] = None,
    seed: UNDRAWN = 0,
    as_json: JSON = False,
    out: OUT = None,
) -> None:
    """Show, bound or clear the folder of compiled kernels.

    A kernel is compiled the first time it is used and kept for later
    processes. THALWEG_CACHE_DIR says where, THALWEG_CACHE_LIMIT how much is
    kept at most (256MiB; 0 keeps nothing).
    """
    if clear and limit is not None:
        raise UserError("give --clear or --limit, not both: --clear leaves nothing to bound")
    size = None if limit is None else _in_bytes(limit)
    folder = kernel_folder.folder()
    most = kernel_folder.limit()
    if folder is None:
        state = State(None, 0, 0, most, None)
        answer(lambda width: [_nothing_kept()], state, as_json, out)
        return
    try:
        lines, state = _bounded(folder, 0 if clear else size, most)
    except (Unfit, OSError) as error:
        raise UserError(f"{folder.path}: {kernel_folder.reason(error)}") from None
    answer(lambda width: lines, state, as_json, out)


def _in_bytes(text: str) -> int:
    try:
        return kernel_folder.in_bytes(text)
    except ValueError as error:
        raise UserError(f"--limit {error}") from None


def _nothing_kept() -> str:
    if not kernel_folder.limit():
        return "No kernels are kept: THALWEG_CACHE_LIMIT is 0."
    places = ", ".join(kernel_folder.candidates())
    return f"No kernels are kept: none of {places} is a folder of your own that nobody else writes."


def _bounded(folder: Folder, size: int | None, most: int) -> tuple[list[str], State]:
    lines, removed = [], None
    if size is not None:
        gone = folder.bound(size)
        removed = len(gone)
        lines.append(f"Removed {_counted(gone)}.")
    kept = folder.kept()
    lines.append(f"{folder.path}: {_counted(kept)}, of {_readable(most)} at most.")
    whole = sum(one.size for one in kept)
    return lines, State(str(folder.path), len(kept), whole, most, removed)


def _counted(kernels: list[Kept]) -> str:
    noun = "kernel" if len(kernels) == 1 else "kernels"
    return f"{len(kernels)} {noun}, {_readable(sum(one.size for one in kernels))}"


def _readable(size: int) -> str:
    """A number of bytes with three digits and a unit."""
    number = float(size)
    for unit in ("bytes", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"
