"""What a chain costs: the passes over memory of its steps, for a reader."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from thalweg.chain import Chain
from thalweg.fuse.plan import MatrixWork, Pass, Plan, Question, plan_for

__all__ = ["PassShown", "Stretch", "passes"]

_FIRST = 12


@dataclass(frozen=True)
class PassShown:
    """One pass: what is read of each element, what is added up, and what is written; or what is
    done between passes: lines on matrices, as they are written, or a question."""

    reads: list[str]
    sums: list[str]
    writes: list[str]
    does: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Stretch:
    """The steps, counted from 1, that take the same passes."""

    steps: list[int]
    passes: list[PassShown]


def passes(
    chain: Chain,
    settings: Mapping[str, Any] | None = None,
    shape: tuple[int, ...] = (64, 32),
    steps: int = _FIRST,
) -> list[Stretch]:
    """The passes of the first steps of one tensor of this shape, or of the largest of its blocks,
    under the chain's defaults but for these settings."""
    group = {**chain.defaults, **(settings or {})}
    chain.check(group)
    chain.choice.check(shape, group)
    blocks = chain.choice.blocks(shape, group)
    shape = shape if blocks is None else blocks.shapes[0]
    views = chain.views(
        group, which=(chain.choice.numbers and chain.choice.numbers(shape, group)) or 0
    )
    cells = chain.first_cells(views)
    found: list[Stretch] = []
    for t in range(1, steps + 1):
        first = {part.prefix: t == 1 for part in chain.parts}
        decided = chain.decide(views, t, first, shape, cells)
        shown = _shown(plan_for(chain, decided.ways))
        same = [one for one in found if one.passes == shown]
        if same:
            same[0].steps.append(t)
        else:
            found.append(Stretch([t], shown))
        known = {key: value for key, value in decided.kept.items() if value is not None}
        cells = {**cells, **known, **({"step": t} if "step" in cells else {})}
    return found


def _shown(plan: Plan) -> list[PassShown]:
    named = functools.partial(_named, _letters(plan.chain))
    found: list[PassShown] = []
    for one in [*plan.ahead, plan.main]:
        if isinstance(one, MatrixWork):
            found.append(PassShown([], [], [], list(dict.fromkeys(x.written for x in one.lines))))
        elif isinstance(one, Question):
            found.append(PassShown([], [], [], [plan.chain.requests[one.name].written]))
        elif one.results or one.stores:
            reads, writes = map(named, one.loads), map(named, one.stores)
            found.append(PassShown([*reads], _sums(plan.chain, one), [*writes]))
    return found


def _letters(chain: Chain) -> dict[str, str]:
    """The letter of each array, with its part in front where another part has the same."""
    names = [slot.name for slot in chain.slots]
    return {
        slot.qualified: slot.name
        if names.count(slot.name) == 1
        else f"{slot.part.declared.__name__}.{slot.name}"
        for slot in chain.slots
    }


def _named(letters: Mapping[str, str], name: str) -> str:
    """The letter of an array; of one that lives for one step, the name that the text gives it."""
    of_step = re.fullmatch(r"\w+?__(\w+?)\d*__", name)
    return letters.get(name, of_step[1] if of_step else name)


def _sums(chain: Chain, one: Pass) -> list[str]:
    """The reductions of a pass as their texts have them, those of rows in brackets."""
    written = {
        part.qualified(asked.name): asked.written
        for part in chain.parts
        for asked in part.declared.text.reduced
    }
    rows = [f"({written[row.name]})" for row in one.rows]
    return rows + [written[result.name] for result in one.results]
