"""Which of an optimizer's groups a scheduler knows: some may have come, gone or moved since.

A group is known again by its list of parameters, which a loaded optimizer keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["lists_of", "places", "shortened"]


def lists_of(groups: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What the groups are known by."""
    return [group["params"] for group in groups]


def places(known: Sequence[Any], now: Sequence[Any]) -> list[int | None] | None:
    """Where each group of now stood before, None for a new one.

    As a whole None, if that cannot be told: there are fewer, and none is known.
    """
    found = [next((i for i, one in enumerate(known) if one is each), None) for each in now]
    stayed = all(place in (None, i) for i, place in enumerate(found))
    if stayed and len(now) >= len(known):  # those not known have been given other parameters
        return [i if i < len(known) else None for i in range(len(now))]
    return None if all(place is None for place in found) else found


def shortened(owner: str, name: str, values: Sequence[Any], count: int) -> list[Any]:
    """One value for each of fewer groups, when nobody knows which have gone."""
    if any(each is not values[0] and each != values[0] for each in values):
        raise ValueError(
            f"{owner}: {name} must have one value for each of the {count} parameter groups, "
            f"got {list(values)!r}"
        )
    return list(values[:count])
