"""Kept numbers that follow from what was measured: worked out when the reductions are known."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg import elementwise
from thalweg.fuse.plan import Plan

__all__ = ["Closing", "closed", "plainly", "worked_out"]

_WORDS: dict[str, Any] = {name: getattr(elementwise, name) for name in elementwise.PRIMITIVES}
_WORDS["product"] = lambda a, b: a * b  # every product of Python's numbers is rounded


@dataclass(frozen=True)
class Closing:
    """The lines of a plan that give the kept numbers their values: under these `keys`, out of
    numbers of these `names`, in their order."""

    names: tuple[str, ...]
    keys: tuple[str, ...]
    _function: Callable[..., tuple[Any, ...]]

    @staticmethod
    @functools.lru_cache(maxsize=1024)
    def of(plan: Plan) -> Closing:
        """That of a plan; made once."""
        keys = {
            part.qualified(name): part.key(name, one.key)
            for part in plan.chain.parts
            for name, one in part.declared.declaration.cells.items()
        }
        tree = ast.parse("\n".join(plan.closing))
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        given = {node.id for node in names if isinstance(node.ctx, ast.Store)}
        known = {*plan.chain.reductions}.union(
            part.qualified(name)
            for part in plan.chain.parts
            for name in part.declared.text.number_names
        )
        read = {node.id for node in names if isinstance(node.ctx, ast.Load)} | {*plan.kept} - given
        taken = tuple(sorted(read & known))
        lines = [f"def closing({', '.join(taken)}):"]
        lines += [f"    {line}" for line in ast.unparse(tree).splitlines()]
        lines.append(f"    return ({''.join(f'{name}, ' for name in plan.kept)})")
        scope = dict(_WORDS)
        exec(compile("\n".join(lines), "<after the reductions>", "exec"), scope)
        return Closing(taken, tuple(keys[name] for name in plan.kept), scope["closing"])

    def of_each(self, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """The values of several tensors, each with its numbers."""
        with np.errstate(all="ignore"):  # as in a kernel: what is divided by zero is infinite
            return [self._function(*map(_double, row)) for row in rows]


def closed(
    plan: Plan,
    numbers: Sequence[Mapping[str, Any]],
    known: Mapping[str, NDArray[np.float64]],
) -> dict[str, NDArray[np.float64]]:
    """The kept numbers of each tensor of a plan after the step, by key: `numbers` are those that
    were known before, `known` the reductions."""
    closing = Closing.of(plan)
    rows = [
        [known[name][i] if name in known else one[name] for name in closing.names]
        for i, one in enumerate(numbers)
    ]
    columns = np.array(closing.of_each(rows), np.float64).reshape(len(rows), len(closing.keys)).T
    return dict(zip(closing.keys, columns, strict=True))


def worked_out(lines: tuple[str, ...], table: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers, and those that follow from them by these lines."""
    if not lines:
        return {**table}
    found = {name: _double(value) for name, value in table.items()}
    with np.errstate(all="ignore"):  # as in a kernel: what is divided by zero is infinite
        exec(_code(lines), dict(_WORDS), found)
    return found


def _double(value: Any) -> Any:
    """NumPy's doubles: divided by zero they are infinite, where Python's own numbers raise."""
    return np.float64(value) if isinstance(value, float) else value


@functools.lru_cache(maxsize=1024)
def _code(lines: tuple[str, ...]) -> CodeType:
    return compile("\n".join(lines), "<after the reductions>", "exec")


def plainly(lines: tuple[str, ...], table: Mapping[str, Any]) -> dict[str, Any]:
    """The same, numbers as the plain run has them: a NumPy number would widen an array, or be
    one."""
    found = dict(table)
    if not lines:
        return found
    for name, value in worked_out(lines, table).items():
        if isinstance(value, np.bool_):
            value = bool(value)
        found[name] = elementwise.Measured(value) if isinstance(value, np.generic) else value
    return found
