"""What an `update` returns: streams and states, and all of them that it has changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from thalweg.source import Source
from thalweg.text import STREAMS

__all__ = ["check_returned"]


def check_returned(
    source: Source,
    states: Collection[str],
    known: Collection[str],
    partly: Mapping[str, str],
    assigned: Collection[str],
) -> None:
    """Refuse what is returned and cannot be, and states and streams that are lost."""
    line, returned = source.return_line, source.returned
    for name in returned:
        if name not in states and name not in STREAMS:
            lost = sorted(n for n in states if n not in returned and n in known)
            close = [n for n in lost if name.startswith(n) or n.startswith(name)]
            if close:
                raise source.error(
                    line, f"{close[0]!r} is never returned, did you mean it by {name!r}?"
                )
            raise source.error(line, f"returns {name!r}, which is neither a stream nor a state")
        if name not in known:
            said = partly.get(name, "gets no value")
            raise source.error(line, f"returns {name!r}, which {said}")
    for name in sorted({*assigned} & {*states}):
        if name not in returned:
            raise source.error(line, f"{name!r} is never returned")
