"""Optimizers by name, as people write them: in any case, `adam_w` or `schedule-free-adamw`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["BESIDE", "found"]

# what is no rule, beside the registry
BESIDE = ("LBFGS",)


def found(
    typed: str, known: Iterable[str], shown: Iterable[str] | None = None, where: str = ""
) -> str:
    """The known optimizer that was typed; a ValueError proposes the closest of those `shown`, and
    says where all are.

    Case, underscores and hyphens do not count.
    """
    if not isinstance(typed, str):
        raise TypeError(f"an optimizer's name must be a string, got {typed!r}")
    known = list(known)
    name = {_plain(each): each for each in known}.get(_plain(typed))
    if name is None:
        raise ValueError(_unknown(typed, known if shown is None else shown, where))
    return name


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _unknown(typed: str, shown: Iterable[str], where: str) -> str:
    by_plain, plain = {_plain(name): name for name in shown}, _plain(typed)
    close = difflib.get_close_matches(plain, by_plain, n=8)
    # letters that have changed places first, and last what is much longer or shorter: difflib finds
    # adma closer to adan and to adamax than to adam
    close.sort(key=lambda name: (sorted(name) != sorted(plain), abs(len(name) - len(plain)) > 1))
    hint = f" (did you mean {by_plain[close[0]]}?)" if close else ""
    where = where or f"there are {', '.join(by_plain.values())}"
    return f"no optimizer is called {typed!r}{hint}; {where}"
