"""What one step does to one element of one parameter: the lines of the rule with their numbers."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.border.groups import lots
from thalweg.border.states import lacking
from thalweg.chain import Chain, Part
from thalweg.elementwise import Measured
from thalweg.fuse import reference
from thalweg.fuse.reference import Asked, Given, Known
from thalweg.lab.explain.walk import Line, walk
from thalweg.mytorch.optim.blocks import ArrayBlocks
from thalweg.reductions import finished
from thalweg.text import Request
from thalweg.view import matrices_of

__all__ = ["Explanation", "Matrix", "PartExplained", "explain", "explain_asking"]

Arrays = dict[str, NDArray[np.float64]]

Ask = Callable[[Request, Any], Any]


@dataclass(frozen=True)
class PartExplained:
    """What one part of the chain did: its lines, and p, g and u where it changed them."""

    name: str
    lines: Sequence[Line]
    changed: Mapping[str, tuple[float | None, float]]


@dataclass(frozen=True)
class Explanation:
    """One step of one element, before it is taken.

    `before` and `after` hold p, g and the states, by the letters of the rule; `step_size` is how
    far p goes, and `effective_lr` the rate at which plain gradient descent would go as far.
    """

    optimizer: str
    shape: tuple[int, ...]
    index: tuple[int, ...]
    t: int | None
    """The number of the step, where the rule counts them."""
    settings: Mapping[str, Any]
    before: Mapping[str, float]
    parts: Sequence[PartExplained]
    after: Mapping[str, float]
    arrays: Mapping[str, NDArray[np.float64]] = field(repr=False)
    """p and the states of all elements after the step, in float64, by the plan's names."""

    @property
    def step_size(self) -> float:
        return self.before["p"] - self.after["p"]

    @property
    def effective_lr(self) -> float:
        """The step over the gradient; NaN where there is none."""
        g = self.before["g"]
        return self.step_size / g if g else float("nan")

    def __str__(self) -> str:
        from thalweg.lab.explain.told import told

        return "\n".join(told(self, 80))


def explain(opt: Any, p: Any, index: int | Sequence[int] | None = None) -> Explanation:
    """Explain what the next `opt.step()` does to one element of `p`, and change nothing.

        loss.backward()
        print(thalweg.explain(opt, model.fc.weight, (0, 3)))

    `opt` is an optimizer of either border, or one of torch's that thalweg has too; `p` one of its
    parameters, which has its gradient; `index` says which element, by default the first. All is
    computed as the rule is written, in float64. Raises TypeError for what is no such optimizer,
    ValueError for a parameter or an element that it does not have, or that has no gradient.
    """
    return explain_asking(opt, p, index, None)


def explain_asking(
    opt: Any, p: Any, index: int | Sequence[int] | None, ask: Ask | None
) -> Explanation:
    """The same, for a rule that asks within its step: `ask` answers a request about weights."""
    chain = _chain_of(opt)
    all_lots = lots(chain.name, opt.param_groups, chain)
    pairs = [(one, i) for i, lot in enumerate(all_lots) for one in lot.params]
    if not any(one is p and one.grad is not None for one, _ in pairs):
        held = any(one is p for one, _ in pairs)
        lack = "has no gradient: call backward() first" if held else "is none of the optimizer's"
        raise ValueError(f"explain: the parameter {lack}")
    turns = [(one, i, one.grad) for one, i in pairs if one.grad is not None]
    cut = _Blocks(chain, all_lots, turns, opt.state)
    rows = [_Row(cut, chain, *turn) for turn in cut.turns]
    stepped, at = cut.at(p, _index(index, tuple(p.shape)))
    row = next(row for row in rows if row.p is stepped)
    return _explained(chain, row, _known(chain, rows, ask), at)


def _chain_of(opt: Any) -> Chain:
    chain = getattr(opt, "_chain", None)
    if isinstance(chain, Chain):
        return chain
    kind = type(opt)
    if kind.__module__.partition(".")[0] == "torch":
        border: Any = importlib.import_module("thalweg.optim")
        chain = getattr(getattr(border, kind.__name__, None), "chain", None)
        if isinstance(chain, Chain):
            return chain
    raise TypeError(
        f"explain: opt must be an optimizer that is made of a rule, got {kind.__name__}"
    )


class _Blocks(ArrayBlocks):
    """Parameters of any border, those that are cut as their blocks, in float64."""

    def _plain(self, array: Any) -> Any:
        return _array(array)

    def at(self, p: Any, index: tuple[int, ...]) -> tuple[Any, tuple[int, ...]]:
        """What is stepped of a parameter where an element is, and which element of it that is."""
        cut = self._cuts.get(p)
        if cut is None:
            return p, index
        j, inside = cut.blocks.find(int(np.ravel_multi_index(index, tuple(p.shape))))
        return cut.pieces[j], inside


class _Row:
    """One parameter as a step finds it: its arrays in float64 and its numbers."""

    def __init__(self, cut: _Blocks, chain: Chain, p: Any, number: int, grad: Any) -> None:
        self.p, lot = p, cut.lots[number]
        views = chain.views(lot.group, lot.spared, which=lot.which)
        held = cut.states.get(p, {})
        cells, new = lacking(chain, held, chain.live_slots(views), views)
        value = _array(p)
        self.arrays: Arrays = {"p": value, "g": _array(grad)}
        for slot in chain.live_slots(views):
            if held.get(slot.key) is not None:
                self.arrays[slot.qualified] = _array(held[slot.key])
        for slot, start in new:
            if isinstance(start, str):
                self.arrays[slot.qualified] = value.copy()
            else:
                shape = slot.state.shape(value.shape, views[chain.parts.index(slot.part)])
                self.arrays[slot.qualified] = np.full(shape, float(start))
        numbers = {key: float(held[key]) for key in chain.cells if key in held}
        numbers |= {key: float(start) for key, start in cells.items()}
        first = {part.prefix: False for part in chain.parts}
        first |= {slot.part.prefix: True for slot, _ in new}
        t = int(numbers.get("step", 0)) + 1
        self.given = Given(views, t, first, value.shape, numbers)
        self.settings = {
            name: lot.group.get(name, one.default) for name, one in chain.settings.items()
        }


def _array(value: Any) -> NDArray[np.float64]:
    """A parameter, a gradient or a state of any border, in float64."""
    if isinstance(value, np.ndarray):
        found = value
    elif isinstance(getattr(value, "data", None), np.ndarray):  # mytorch's
        found = value.data
    else:  # torch's
        value = value.detach().to_dense() if value.is_sparse else value.detach()
        found = value.cpu().numpy() if value.is_complex() else value.cpu().double().numpy()
    if np.iscomplexobj(found):
        raise ValueError("explain: a complex parameter has no one number to tell")
    return np.array(found, np.float64)


def _index(index: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    given = index if index is not None else (0,) * len(shape)
    at = (given,) if isinstance(given, int) else tuple(given)
    fits = len(at) == len(shape) and all(-n <= i < n for i, n in zip(at, shape, strict=True))
    if not fits:
        raise ValueError(
            f"explain: index must be that of an element in shape {shape}, got {index!r}"
        )
    return tuple(i % n for i, n in zip(at, shape, strict=True))


def _known(chain: Chain, rows: Sequence[_Row], ask: Ask | None) -> dict[str, Any]:
    """The reductions over all tensors, in the order of the text, and the answers to requests."""
    if chain.requests:
        return _answered(chain, rows, ask)
    known: dict[str, Any] = {}
    for name, one in chain.reductions.items():
        if one.over != "all":
            continue
        totals, count = [], 0
        for row in rows:
            try:
                reference.update(chain, row.arrays, row.given, known, name)
            except Asked as asked:
                totals.append(float(asked.value))
                count += asked.count
        whole = max(totals, default=-np.inf) if one.kind == "largest" else float(np.sum(totals))
        known[name] = float(finished(one.kind, Measured(whole), max(count, 1)))
    return known


def _answered(chain: Chain, rows: Sequence[_Row], ask: Ask | None) -> dict[str, Any]:
    """What a text comes to, one after the other, of the only tensor that there is."""
    if ask is None or len(rows) > 1:
        written = next(iter(chain.requests.values())).written
        raise TypeError(
            f"explain: {chain.name} asks for {written} within its step, which only its closure "
            "can answer; `thalweg explain` shows it on a quadratic"
        )
    known: dict[str, Any] = {}
    while True:
        try:
            reference.update(chain, rows[0].arrays, rows[0].given, known)
            return known
        except Asked as asked:
            if asked.name in chain.requests:
                known[asked.name] = ask(chain.requests[asked.name], asked.value)
            else:
                kind, total = chain.reductions[asked.name].kind, Measured(float(asked.value))
                known[asked.name] = float(finished(kind, total, max(asked.count, 1)))


def _explained(chain: Chain, row: _Row, known: Known, at: tuple[int, ...]) -> Explanation:
    run, shape = _Watched(chain, row.arrays, row.given, known), row.given.shape
    before = _letters(chain, run.arrays, row.given.cells, at, shape)
    parts = []
    for i in run.places:
        start = _streams(run.arrays, at, shape)
        run.part(i)
        end = _streams(run.arrays, at, shape)
        changed = {n: (start.get(n), end[n]) for n in end if start.get(n) != end[n]}
        name = chain.parts[i].declared.__name__
        parts.append(PartExplained(name, _on(run.lines, at, shape), changed))
    arrays, kept = run.finished()
    after = {**_letters(chain, arrays, kept, at, shape), "g": before["g"]}
    arrays = {name: array for name, array in arrays.items() if name not in ("g", "u")}
    t = row.given.t if "step" in chain.cells else None
    told = (chain.name, shape, at, t, row.settings, before, parts, after)
    return Explanation(*told, arrays)


@dataclass(frozen=True)
class Matrix:
    """What has no one number for an element of the parameter."""

    rows: int
    columns: int

    def __repr__(self) -> str:
        return f"[{self.rows} x {self.columns}]"


def _element(value: NDArray[Any], at: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """The number of an element of the parameter, whose array may lie as a matrix."""
    whole, stack = matrices_of(shape)[1:], matrices_of(shape, is_stack=True)
    for there in (shape, whole, stack):
        if value.ndim <= len(there) and all(
            a in (1, b) for a, b in zip(value.shape[::-1], there[::-1], strict=False)
        ):
            return np.broadcast_to(value, there).reshape(shape)[at].item()
    return Matrix(*value.shape[-2:]) if value.ndim > 1 else Matrix(1, value.size)


class _Watched(reference.Run):
    """A run that walks through each `update` line by line."""

    lines: Sequence[Line] = ()

    def _called(self, part: Part, given: Mapping[str, Any]) -> Any:
        ask = functools.partial(self._of_all, part), functools.partial(self._request, part)
        is_stack = getattr(part.declared, "is_stack", False)
        self.lines, result = walk(part.declared.text, given, *ask, self._whole, is_stack)
        return result


def _streams(
    arrays: Mapping[str, Any], at: tuple[int, ...], shape: tuple[int, ...]
) -> dict[str, float]:
    there = [name for name in ("g", "u", "p") if name in arrays]
    return {name: float(_element(arrays[name], at, shape)) for name in there}


def _letters(
    chain: Chain,
    arrays: Mapping[str, Any],
    numbers: Mapping[str, Any],
    at: tuple[int, ...],
    shape: tuple[int, ...],
) -> dict[str, float]:
    """p, g and what is kept, by the letters of the rule, but for matrices; where two parts have the
    same letter, with the part in front."""
    kept = [
        (slot.part, slot.name, arrays.get(slot.qualified))
        for slot in chain.slots
        if not isinstance(slot.state.per, tuple)
    ]
    for part in chain.parts:
        for name, one in part.declared.declaration.cells.items():
            kept.append((part, name, numbers.get(part.key(name, one.key))))
    letters = [name for _, name, _ in kept]
    found = {name: float(_element(arrays[name], at, shape)) for name in ("p", "g")}
    for part, name, value in kept:
        if value is not None:
            shown = name if letters.count(name) == 1 else f"{part.declared.__name__}.{name}"
            is_array = isinstance(value, np.ndarray)
            found[shown] = float(_element(value, at, shape) if is_array else value)
    return found


def _on(lines: Sequence[Line], at: tuple[int, ...], shape: tuple[int, ...]) -> list[Line]:
    """The same lines with the numbers of one element in them."""

    def number(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return _element(value, at, shape)
        if isinstance(value, tuple):
            return tuple(map(number, value))
        return float(value) if isinstance(value, Measured) else value

    return [
        replace(
            line,
            made={name: number(value) for name, value in line.made.items()},
            read={name: number(value) for name, value in line.read.items()},
            calls={text: number(value) for text, value in line.calls.items()},
            inside=[(text, _on(inner, at, shape)) for text, inner in line.inside],
        )
        for line in lines
    ]
