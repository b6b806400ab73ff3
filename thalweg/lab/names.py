"""Optimizers as a command line names them: in any case, with a hint where there is none."""

import difflib
from collections.abc import Iterable, Sequence

from thalweg.lab.errors import UserError

__all__ = ["found"]


def found(typed: str, known: Iterable[str], shown: Sequence[str]) -> str:
    """The known optimizer that was typed; `shown` are those that an error proposes."""
    name = {each.lower(): each for each in known}.get(typed.lower())
    if name is None:
        raise UserError(_unknown(typed, shown))
    return name


def _unknown(typed: str, shown: Sequence[str]) -> str:
    by_lower = {name.lower(): name for name in shown}
    close = difflib.get_close_matches(typed.lower(), by_lower)
    # the closest, but for a letter that is longer: difflib finds adma closer to adamax than to adam
    close.sort(key=lambda name: abs(len(name) - len(typed)) > 1)
    hint = f" (did you mean {by_lower[close[0]]}?)" if close else ""
    return f"no optimizer is called {typed!r}{hint}; `thalweg list optimizers` has every name"
