"""`thalweg cache`: what the folder of compiled kernels holds; bounds and clears it."""

from typing import Annotated

import typer

from thalweg.fuse import kernel_folder
from thalweg.fuse.kernel_folder import Folder, Kept, Unfit
from thalweg.lab.errors import UserError

__all__ = ["cache"]


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove every kernel.")] = False,
    limit: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Remove the kernels longest unused until the rest fit, say in 64MB.",
        ),
    ] = None,
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
    if folder is None:
        print(_nothing_kept())
        return
    try:
        _report(folder, 0 if clear else size)
    except (Unfit, OSError) as error:
        raise UserError(f"{folder.path}: {kernel_folder.reason(error)}") from None


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


def _report(folder: Folder, size: int | None) -> None:
    if size is not None:
        print(f"Removed {_counted(folder.bound(size))}.")
    print(
        f"{folder.path}: {_counted(folder.kept())}, of {_readable(kernel_folder.limit())} at most."
    )


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
