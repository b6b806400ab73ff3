"""What a saved scheduler must look like, before anything of it is taken over."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["check_state", "saved_values"]

_LARGEST = math.nextafter(math.inf, 0)


def check_state(owner: str, state: Any, keys: Iterable[str], param: str) -> None:
    """Raise for a state that lacks a key, or is of another setting, or stands nowhere."""
    if not isinstance(state, Mapping):
        raise ValueError(
            f"{owner}: the state must be what state_dict gave, a dict, got {state!r:.100}"
        )
    missing = [key for key in keys if key not in state]
    if missing:
        raise ValueError(
            f"{owner}: the state must be what state_dict gave, it lacks {', '.join(missing)}"
        )
    if state["param"] != param:
        raise ValueError(f"{owner}: param must be {param!r} in the state, got {state['param']!r}")
    step = state["last_epoch"]
    if type(step) is not int or not 0 <= step < 2**53:
        raise ValueError(f"{owner}: last_epoch must be a whole number >= 0, got {step!r:.100}")


def saved_values(owner: str, name: str, values: Any, count: int) -> list[float]:
    """A list of one finite number for each group."""
    if not isinstance(values, list | tuple):
        raise ValueError(f"{owner}: {name} must be a list of numbers, got {values!r:.100}")
    if len(values) != count:
        words = name.replace("_", " ")
        raise ValueError(
            f"{owner}: the state must have {count} {words}, one for each group, got {len(values)}"
        )
    for i, value in enumerate(values):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (is_number and abs(value) <= _LARGEST):
            raise ValueError(f"{owner}: {name}[{i}] must be a finite number, got {value!r:.100}")
    return [float(value) for value in values]
