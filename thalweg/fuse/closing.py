"""Kept numbers that follow from what was measured: worked out when the reductions are known."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from types import CodeType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg import elementwise
from thalweg.fuse.plan import Plan

__all__ = ["closed", "worked_out"]

_WORDS: dict[str, Any] = {name: getattr(elementwise, name) for name in elementwise.PRIMITIVES}
_WORDS["product"] = lambda a, b: a * b  # every product of Python's numbers is rounded


def closed(
    plan: Plan,
    numbers: Sequence[Mapping[str, Any]],
    known: Mapping[str, NDArray[np.float64]],
) -> dict[str, NDArray[np.float64]]:
    """The kept numbers of each tensor of a plan after the step, by key: `numbers` are those that
    were known before, `known` the reductions."""
    keys = {
        part.qualified(name): part.key(name, one.key)
        for part in plan.chain.parts
        for name, one in part.declared.declaration.cells.items()
    }
    found = {keys[name]: np.empty(len(numbers)) for name in plan.kept}
    for i, one in enumerate(numbers):
        table = worked_out(plan.closing, {**one, **{n: v[i] for n, v in known.items()}})
        for name in plan.kept:
            found[keys[name]][i] = table[name]
    return found


def worked_out(lines: tuple[str, ...], table: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers, and those that follow from them by these lines."""
    if not lines:
        return {**table}
    # NumPy's doubles: divided by zero they are infinite, where Python's own numbers raise
    found = {n: np.float64(v) if isinstance(v, float) else v for n, v in table.items()}
    with np.errstate(all="ignore"):  # as in a kernel: what is divided by zero is infinite
        exec(_code(lines), dict(_WORDS), found)
    return found


@functools.lru_cache(maxsize=1024)
def _code(lines: tuple[str, ...]) -> CodeType:
    return compile("\n".join(lines), "<after the reductions>", "exec")
