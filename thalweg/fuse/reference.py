"""The reference engine, the oracle: every `update` run as it is written, on whole arrays.

The arrays are NumPy's or torch's, of the computation type; torch's may be under autograd.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from thalweg.chain import Chain, Part
from thalweg.elementwise import double, sqrt, where
from thalweg.fuse.plan import Plan

__all__ = ["finish", "reduce", "update"]

Values = Mapping[str, Any]


def update(plan: Plan, arrays: Values, numbers: Values, static: Values) -> dict[str, Any]:
    """One step of one tensor: arrays in, new arrays out, by qualified name.

    `numbers` holds the tensor-wide measures as well.
    """
    run = _Run(plan, arrays, numbers, static)
    for part in plan.chain.parts:
        run.part(part)
    return run.arrays


def reduce(plan: Plan, name: str, arrays: Values, numbers: Values, static: Values) -> Any:
    """What one tensor adds to a tensor-wide measure: the sum of its values or of their squares."""
    run = _Run(plan, arrays, numbers, static)
    for part in plan.chain.parts:
        for own, m in part.declared.declaration.measures.items():
            if part.qualified(own) == name:
                value = double(run.measured(part, own))
                return _of_all((value * value if m.reduction == "norm" else value).sum())
        run.part(part)
    raise KeyError(name)


def finish(reduction: str, total: Any, count: int) -> Any:
    """The measure, from a sum over `count` elements."""
    if reduction == "norm":
        return sqrt(total)
    return total / count if reduction == "mean" else total


def _of_all(total: Any) -> Any:
    """A sum over a whole tensor: of one shared out over processes, each has summed its part."""
    return total.full_tensor() if hasattr(total, "full_tensor") else total


class _Run:
    """The arrays of one tensor on their way through a chain."""

    def __init__(self, plan: Plan, arrays: Values, numbers: Values, static: Values) -> None:
        self.chain: Chain = plan.chain
        self.arrays = dict(arrays)
        self.numbers, self.static = numbers, static
        self.row_measures = {row.name for work in _passes(plan) for row in work.rows}

    def part(self, part: Part) -> None:
        """Run one part's `update` on what the parts before it left."""
        source = part.declared.source
        assert source is not None
        given = self._given(part, source.arguments)
        result = part.declared.update(**given)  # type: ignore[attr-defined]
        values = result if isinstance(result, tuple) else (result,)
        for name, value in zip(source.returned, values, strict=True):
            if value is not None:
                self.arrays[part.qualified(name)] = self._whole(value)

    def _given(self, part: Part, names: Iterable[str]) -> dict[str, Any]:
        measures = part.declared.declaration.measures
        return {
            name: self._row(part, name)
            if name in measures and measures[name].scope == "row"
            else self._value(part.qualified(name))
            for name in names
        }

    def _value(self, name: str) -> Any:
        """An array, a number or a switch; None for a state that the switches leave out."""
        for table in (self.arrays, self.numbers, self.static):
            if name in table:
                return table[name]
        return None

    def _row(self, part: Part, name: str) -> Any:
        if part.qualified(name) not in self.row_measures:
            return None
        m = part.declared.declaration.measures[name]
        value = self.measured(part, name)
        axes = tuple(range(1, value.ndim))
        count = max(math.prod(value.shape[1:]), 1)
        if m.reduction == "norm":
            value = value * value
        return finish(m.reduction, value.sum(axis=axes, keepdims=True) if axes else value, count)

    def measured(self, part: Part, name: str) -> Any:
        """The array that a measure reduces."""
        m = part.declared.declaration.measures[name]
        assert m.source is not None
        return self._whole(m.function(**self._given(part, m.source.arguments)))

    def _whole(self, value: Any) -> Any:
        """An array, also where one number was meant for all its elements."""
        p = self.arrays["p"]
        return where(p > p, value, value) if isinstance(value, int | float) else value


def _passes(plan: Plan) -> list[Any]:
    return [*plan.reductions, plan.main]
