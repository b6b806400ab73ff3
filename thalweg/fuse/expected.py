"""What a prepared step rests on, to be found again before it is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ABSENT", "NEVER", "Expected", "Words"]

# in place of a value: that its key is not there; that none is the same as it was
ABSENT, NEVER = object(), object()


@dataclass(frozen=True)
class Words:
    """What describes objects, word by word: of each its type, at word `type_at`, and behind the
    pointer at word `body_at` the bits of the `mask`. They are found in the row of `distinct`
    [description, 1 + word] that `kinds` has for it.
    """

    type_at: int
    body_at: int
    mask: NDArray[np.int64]
    distinct: NDArray[np.int64]
    kinds: NDArray[np.int64]


@dataclass
class Expected:
    """An optimizer as it is to be found again.

    `groups` are dicts, each with a list under "params"; `values` are theirs, group by group, for
    the `names` in order, `ABSENT` or `NEVER` where that is so. `states` has a dict for each owner.
    `standing` must lie at `places` still, and the numbers at `cells`, doubles where `wide`, be
    those in `numbers`. The `rows` are asked for their `grad`. With `words`, the first of
    `standing`, as many as come before the rows in them, and the gradients must be described as
    these say.
    """

    groups: Sequence[dict[str, Any]]
    names: Sequence[str]
    values: Sequence[Any]
    states: Mapping[Any, dict[str, Any]]
    standing: Sequence[Any]
    places: NDArray[np.int64]
    cells: NDArray[np.int64]
    wide: NDArray[np.int64]
    numbers: NDArray[np.float64]
    rows: Sequence[Any]
    words: Words | None = None
