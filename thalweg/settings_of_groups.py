"""The settings of parameter groups as a step takes them: plain numbers, inside their ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from thalweg.settings import Setting, as_held

__all__ = ["SettingsOfGroups"]

_MOST_SEEN = 256  # settings of groups, remembered as sound


class SettingsOfGroups:
    """Checks what groups hold for the settings of one chain: a program may have edited it."""

    def __init__(self, title: str, settings: Mapping[str, Setting]) -> None:
        self.title, self.settings = title, settings
        self._seen: set[tuple[Any, ...]] = set()  # found inside their ranges
        self._last: tuple[Any, ...] = ()  # those found last

    def check(self, group: Mapping[str, Any]) -> None:
        """Raise ValueError or TypeError for a setting that no step could take by itself."""
        for name in self.settings:
            if name in group:
                self._running(name).check(f"{self.title}: {name}", group[name])

    def _running(self, name: str) -> Setting:
        """A setting as a run may have it: schedules and torch's checkpoints take every lr to 0."""
        one = self.settings[name]
        is_open = name == "lr" and one.above is not None
        return replace(one, low=one.above, above=None) if is_open else one

    def plain(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All settings as plain numbers. Only what no step has seen is looked at closely."""
        try:
            plain = {n: as_held(v, self.settings[n].default) for n, v in given.items()}
            seen = tuple(plain.values())
            if seen in self._seen:
                return plain
        except (TypeError, ValueError, OverflowError):
            self.check(given)  # says which
            raise
        for name, value, last in zip(plain, seen, self._last or [None] * len(seen), strict=True):
            if value == last:
                continue
            one = self._running(name)
            is_float = type(value) is type(one.default) is float  # nearly always
            if not (is_float and one.accepts(value)):
                one.check(f"{self.title}: {name}", value)
        if len(self._seen) >= _MOST_SEEN:
            self._seen.clear()
        self._seen.add(seen)
        self._last = seen
        return plain
