"""How a training is going, on a terminal: a bar where rich is installed, lines where it is not."""

import importlib.util
import sys
from typing import Any, TextIO

__all__ = ["Bar", "Lines", "Silent", "progress_for"]


class Silent:
    """Nothing at all."""

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def batch(self, loss: float) -> None:
        """A batch is done."""

    def epoch(self, text: str) -> None:
        """An epoch is done, and went as the text says."""


class Lines(Silent):
    """One line for each epoch."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def epoch(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


class Bar(Silent):
    """The same lines, and below them a bar of the batches with the loss of the last one."""

    def __init__(self, stream: TextIO, batches: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining

        self._progress: Any = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            Remaining(),
            console=Console(file=stream),
            transient=True,
        )
        self._task = self._progress.add_task("", total=batches, loss="")

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def batch(self, loss: float) -> None:
        self._progress.update(self._task, advance=1, loss=f"loss {loss:.4g}")

    def epoch(self, text: str) -> None:
        self._progress.console.print(text, highlight=False, markup=False, soft_wrap=True)


def progress_for(wanted: bool | None, batches: int | None, stream: TextIO | None = None) -> Silent:
    """What shows the progress on a stream: nothing in a pipe, unless it is wanted there."""
    where = sys.stdout if stream is None else stream
    is_terminal = where.isatty()
    if wanted is False or (wanted is None and not is_terminal):
        return Silent()
    if is_terminal and importlib.util.find_spec("rich") is not None:
        return Bar(where, batches)
    return Lines(where)
