"""A bar on stderr for what takes a while, where somebody is looking; it is gone at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["bar"]


@contextmanager
def bar(what: str, total: float) -> Iterator[Callable[[float, str], None]]:
    """Give a function that says how far it is, and at what."""
    if not sys.stderr.isatty():
        yield lambda done, doing: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    shown = (TextColumn("{task.description}"), BarColumn(bar_width=30), TimeRemainingColumn())
    with Progress(*shown, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)

        def tell(done: float, doing: str) -> None:
            progress.update(task, completed=done, description=doing or what)

        yield tell
