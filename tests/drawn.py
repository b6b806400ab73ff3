"""Settings as hypothesis draws them: what a setting accepts."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from thalweg.settings import Setting

__all__ = ["number", "value"]


def number(one: Setting, parts: int = 1000, most: float = 0.999) -> st.SearchStrategy[Any]:
    """The default, or one of so many numbers in the range, of a bound that is not in it `most` of
    the way; where the range is open, up to 1 or twice the default."""
    low = next((bound for bound in (one.low, one.above) if bound is not None), 0)
    high = next((bound for bound in (one.high, one.below) if bound is not None), None)
    high = max(1, 2 * one.default) if high is None else high
    if isinstance(one.default, int):
        return st.integers(math.ceil(low), math.ceil(high))
    last = parts if one.below is None else round(most * parts)
    places = st.integers(0 if one.above is None else 1, last)
    return st.just(one.default) | places.map(lambda n: low + (high - low) * n / parts)


def value(one: Setting, parts: int = 1000, most: float = 0.999) -> st.SearchStrategy[Any]:
    """What a setting accepts."""
    if one.choices:
        return st.sampled_from(one.choices)
    if isinstance(one.default, bool):
        return st.booleans()
    if isinstance(one.default, tuple):
        each = range(len(one.default))
        return st.tuples(*(number(one.element(i), parts, most) for i in each))
    return number(one, parts, most)
