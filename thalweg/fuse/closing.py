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

__all__ = ["closed"]

_WORDS: dict[str, Any] = {name: getattr(elementwise, name) for name in elementwise.PRIMITIVES}
_WORDS["product"] = lambda a, b: a * b  # every product of Python's numbers is rounded


def closed(
    plan: Plan,
    numbers: Sequence[Mapping[str, Any]],
    known: Mapping[str, NDArray[np.float64]],
) -> dict[str, NDArray[np.float64]]:
    """The kept numbers of each tensor of a plan after the step, by key: `numbers` are those that
    were known before, `known` the reductions."""
    code = _code(plan)
    keys = {
        part.qualified(name): part.key(name, one.key)
        for part in plan.chain.parts
        for name, one in part.declared.declaration.cells.items()
    }
    found = {keys[name]: np.empty(len(numbers)) for name in plan.kept}
    for i, one in enumerate(numbers):
        # NumPy's doubles: divided by zero they are infinite, where Python's own numbers raise
        table = {**one, **{name: np.float64(values[i]) for name, values in known.items()}}
        with np.errstate(all="ignore"):  # as in a kernel: what is divided by zero is infinite
            exec(code, dict(_WORDS), table)
        for name in plan.kept:
            found[keys[name]][i] = table[name]
    return found


@functools.cache
def _code(plan: Plan) -> CodeType:
    return compile("\n".join(plan.closing), f"<{plan.chain.name}, after the reductions>", "exec")
