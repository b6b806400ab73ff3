"""What a constructor takes of the settings of a chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["Signature"]


@dataclass(frozen=True)
class Signature:
    """What a constructor takes: settings by position, by keyword only, and those it fixes."""

    positional: tuple[str, ...]
    keyword_only: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str, given: Mapping[str, Any]) -> Signature:
        """Of a text like "lr, betas, *, maximize"; what is given and not in it is fixed."""
        before, _, after = text.partition("*")
        positional = tuple(before.replace(",", " ").split())
        keyword_only = tuple(after.replace(",", " ").split())
        shown = {*positional, *keyword_only}
        return cls(positional, keyword_only, {n: v for n, v in given.items() if n not in shown})

    @property
    def shown(self) -> tuple[str, ...]:
        """Every setting that the constructor takes, in order."""
        return (*self.positional, *self.keyword_only)

    def with_keywords(self, names: Iterable[str]) -> Signature:
        """This one with more settings by keyword."""
        return replace(self, keyword_only=(*self.keyword_only, *names))
