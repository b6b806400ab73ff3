"""What a prepared step rests on, to be found again before it is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ABSENT", "NEVER", "Expected"]

# in place of a value: that its key is not there; that none is the same as it was
ABSENT, NEVER = object(), object()


@dataclass
class Expected:
    """An optimizer as it is to be found again.

    `groups` are dicts, each with a list under "params"; `values` are theirs, group by group, for
    the `names` in order, `ABSENT` or `NEVER` where that is so. `states` has a dict for each owner.
    `standing` must lie at `places` still, and the numbers at `cells`, doubles where `wide`, be
    those in `numbers`. The `rows` are asked for their `grad`.
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
