"""How far a step of ours is from torch's, in every configuration that torch tests its own with."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

import thalweg.optim as optim
from tests.optim.subjects import PATHS, Kind, Subject

__all__ = ["Apart", "Parity", "default_dtype", "measure"]


@dataclass(frozen=True)
class Apart:
    """The largest difference among parameters and among states, in units of each number's own.

    A unit is the ULP of the larger operand: of a number before the step and after it. It is more
    where weight decay all but cancels a gradient: half of what a ULP of the gradient decides there.
    """

    p: float = 0.0
    states: float = 0.0

    def or_more(self, other: Apart) -> Apart:
        """The larger of both, one by one."""
        return Apart(max(self.p, other.p), max(self.states, other.states))


@dataclass(frozen=True)
class Parity:
    """What was measured of one configuration, at the worst of its steps.

    `step` is one step of ours from torch's own numbers, `run` a run of ours on its own. `ours` and
    `torchs` are how far one step of each is from torch's class in float64.
    """

    step: Apart = Apart()
    run: Apart = Apart()
    ours: Apart = Apart()
    torchs: Apart = Apart()

    def or_more(self, other: Parity) -> Parity:
        """The worse of both, one by one."""
        return Parity(*(mine.or_more(getattr(other, n)) for n, mine in vars(self).items()))


def measure(of: Subject, kind: Kind, steps: int) -> dict[str, Parity]:
    """Compare ours with torch's plain loop in every configuration, by its description.

    Where a step is many iterations, there are fewer of them.
    """
    steps = 2 if of.needs_closure else steps
    found, paths = {}, {}
    with _one_thread():
        for description, settings in of.configs.items():
            plain = {name: value for name, value in settings.items() if name not in PATHS}
            if repr(plain) not in paths:
                paths[repr(plain)] = _path(of, plain, kind, steps)
            found[description] = _compare(of, settings, kind, paths[repr(plain)])
    return found


def _path(of: Subject, plain: Mapping[str, Any], kind: Kind, steps: int) -> list[_Step]:
    """The steps of torch's class, in its plain loop form where it has others."""
    made = getattr(torch.optim, of.name)
    settings = {**plain, "foreach": False} if of.has_foreach else plain
    run = _Run(made, of, settings, kind)
    truth = _Run(made, of, settings, kind.widened(), kind.dtype)
    touch = torch.finfo(kind.dtype).eps  # between one ULP and two
    touched = _Run(made, of, settings, kind.widened(), kind.dtype, touch)
    path = []
    for t in range(steps):
        start, before = run.copy(), run.numbers()
        for one in (run, truth, touched):
            if one is not run:
                one.adopt(start)
            one.step(t)
        after, exact = run.numbers(), truth.numbers()
        unit = {}
        for what in after:
            ulp = after[what].ulp(before[what], exact[what])
            # the square of a gradient moves by up to four ULP with it: more is cancellation
            unit[what] = _larger(ulp, exact[what].distances(touched.numbers()[what]) / 4)
        path.append(_Step(start, after, exact, unit))
    return path


def _compare(of: Subject, settings: Mapping[str, Any], kind: Kind, path: Sequence[_Step]) -> Parity:
    """Take every step of torch's with ours: from torch's numbers, and from what ours left."""
    made = getattr(optim, of.name)
    once, alone = (_Run(made, of, settings, kind) for _ in range(2))
    worst, far = Parity(), path[0].unit
    for t, theirs in enumerate(path):
        once.adopt(theirs.start)
        once.step(t)
        alone.step(t)
        ours = once.numbers()
        far = {what: _larger(theirs.unit[what], far[what]) for what in far}
        worst = worst.or_more(
            Parity(
                step=_apart(ours, theirs.after, theirs.unit),
                run=_apart(alone.numbers(), theirs.after, far),
                ours=_apart(ours, theirs.exact, theirs.unit),
                torchs=_apart(theirs.after, theirs.exact, theirs.unit),
            )
        )
    return worst


def _larger(one: Tensor, other: Tensor) -> Tensor:
    return torch.maximum(one, other) if one.shape == other.shape else one


def _apart(one: _Both, other: _Both, unit: Mapping[str, Tensor]) -> Apart:
    worst = {}
    for what in one:
        off = one[what].distances(other[what]) / unit[what]
        worst[what] = float(off.max()) if len(off) else 0.0
    return Apart(**worst)


@dataclass(frozen=True)
class _Step:
    """One step of torch's class: what it started from, what it made of it, and what it should
    have made of it, with the unit of each number."""

    start: _Start
    after: _Both
    exact: _Both
    unit: Mapping[str, Tensor]


@dataclass(frozen=True)
class _Start:
    """Copies of the parameters and of the states of a state_dict."""

    params: list[Tensor]
    states: Mapping[int, Any]


@dataclass(frozen=True)
class _Numbers:
    """Numbers of several types in a row, as doubles."""

    values: Tensor
    digits: Tensor  # binary digits of each one's type
    least: Tensor  # the smallest exponent of each one's type

    @classmethod
    def of(cls, tensors: Sequence[Tensor]) -> _Numbers:
        parts = [torch.view_as_real(t) if t.is_complex() else t for t in tensors]
        columns: list[list[Tensor]] = [[torch.empty(0, dtype=torch.float64)] for _ in range(3)]
        for part in parts:
            facts, flat = torch.finfo(part.dtype), part.flatten().double()
            digits = torch.full_like(flat, 2 - math.frexp(facts.eps)[1])
            least = torch.full_like(flat, math.frexp(facts.tiny)[1])
            for column, values in zip(columns, (flat, digits, least), strict=True):
                column.append(values)
        return cls(*map(torch.cat, columns))

    def ulp(self, *operands: _Numbers) -> Tensor:
        """The distance between neighbours of their types, at the largest of the operands."""
        sizes = [one.values.abs() for one in operands if one.values.shape == self.values.shape]
        largest = torch.stack([self.values.abs(), *sizes]).amax(0).nan_to_num()
        exponents = torch.maximum(torch.frexp(largest).exponent.double(), self.least)
        return torch.exp2(exponents - self.digits)

    def distances(self, other: _Numbers) -> Tensor:
        """How far each is from another; NaN is no distance from NaN, and infinitely far else."""
        a, b = self.values, other.values
        if a.shape != b.shape:
            return torch.full_like(a, math.inf)
        same = (a == b) | (a.isnan() & b.isnan())
        return torch.where(same, 0.0, (a - b).abs()).nan_to_num(nan=math.inf, posinf=math.inf)


_Both = Mapping[str, _Numbers]  # of parameters under "p", of states under "states"


class _Run:
    """An optimizer of some class and its parameters, on their way.

    Values and gradients are drawn as `drawn_as`, whatever type they are kept in. `touch` moves
    every gradient by this share of itself.
    """

    def __init__(
        self,
        made: type,
        of: Subject,
        settings: Mapping[str, Any],
        kind: Kind,
        drawn_as: torch.dtype | None = None,
        touch: float = 0.0,
    ) -> None:
        self.of, self.kind, self.touch = of, kind, touch
        self.drawn_as = drawn_as or kind.dtype
        with default_dtype(kind.default):
            self.params = [self._draw(shape, i) for i, shape in enumerate(of.shapes)]
            self.targets = [self._draw(p.shape, 50 + i) for i, p in enumerate(self.params)]
            for p in self.params:
                p.requires_grad_(of.needs_closure)
            self.opt = made(self.params, **{n: self._as_number(v) for n, v in settings.items()})
        for group in self.opt.param_groups if self.drawn_as != kind.dtype else ():
            if isinstance(group.get("eps"), tuple) and group["eps"][0] is None:
                # Adafactor's, which depends on the type of the parameters
                group["eps"] = (torch.finfo(self.drawn_as).eps, *group["eps"][1:])

    def _draw(self, shape: Sequence[int], seed: int, scale: float = 1.0) -> Tensor:
        """Normal numbers times a scale, the same in every type up to its rounding."""
        return _drawn(tuple(shape), seed, self.drawn_as, scale).to(self.kind.dtype, copy=True)

    def _as_number(self, value: Any) -> Any:
        """A setting; a tensor as `torch.tensor(value)` would make it in this program."""
        if isinstance(value, tuple):
            return tuple(map(self._as_number, value))
        return value.to(self.kind.default) if isinstance(value, Tensor) else value

    def copy(self) -> _Start:
        states = copy.deepcopy(self.opt.state_dict()["state"])
        return _Start([p.detach().clone() for p in self.params], states)

    def adopt(self, start: _Start) -> None:
        """Take over parameters and, as from a checkpoint, states."""
        for mine, theirs in zip(self.params, start.params, strict=True):
            mine.detach().copy_(theirs)
        if not start.states:  # none are made before the first step
            return
        states = {i: self._copied(state) for i, state in start.states.items()}
        with default_dtype(self.kind.default):
            self.opt.load_state_dict({**self.opt.state_dict(), "state": states})

    def _copied(self, held: Any, key: Any = None) -> Any:
        """A copy of a state, in this run's types; a step count keeps its own, as in torch."""
        if isinstance(held, dict):
            return {key: self._copied(value, key) for key, value in held.items()}
        if isinstance(held, list):
            return [self._copied(value) for value in held]
        if not isinstance(held, Tensor):
            return held
        if key == "step" or self.drawn_as == self.kind.dtype:
            return held.clone()
        return held.to(self.kind.dtype if held.is_complex() else torch.float64)

    def step(self, t: int) -> None:
        """Take step t: along gradients that depend on t alone, or down a loss if it must be."""
        with default_dtype(self.kind.default):
            if self.of.needs_closure:
                self.opt.step(self._loss)
                return
            for i, p in enumerate(self.params):
                p.grad = self._gradient(p.shape, 100 * (t + 1) + i)
            self.opt.step()

    def _gradient(self, shape: Sequence[int], seed: int) -> Tensor:
        """Normal numbers times a scale between 1/100 and 100, some of them zero."""
        grad = self._draw(shape, seed, 10 ** random.Random(seed).uniform(-2, 2))
        grad = grad * (1 + self.touch)
        if shape:
            grad[..., 0] = 0
        if not self.of.needs_sparse:
            return grad
        rows = torch.arange(0, shape[0], 2)
        return torch.sparse_coo_tensor(rows[None], grad[rows], shape, check_invariants=True)

    def _loss(self) -> Tensor:
        """A convex loss, of curvatures between 1 and 4, with its gradients."""
        self.opt.zero_grad()
        losses = []
        for p, target in zip(self.params, self.targets, strict=True):
            squares = torch.view_as_real(p - target) if p.is_complex() else p - target
            curvature = torch.linspace(1, 4, squares.numel(), dtype=squares.dtype)
            losses.append((curvature.view(squares.shape) * squares * squares).sum())
        loss = torch.stack(losses).sum()
        loss.backward()
        for p in self.params:
            p.grad *= 1 + self.touch
        return loss

    def numbers(self) -> _Both:
        """Every number of the parameters, and every number of their states.

        Not of what a line search remembers: differences of nearly equal numbers.
        """
        of = [] if self.of.needs_closure else self.params
        states = [leaf for p in of for leaf in _leaves(self.opt.state.get(p, {}))]
        return {"p": _Numbers.of([p.detach() for p in self.params]), "states": _Numbers.of(states)}


@cache
def _drawn(shape: tuple[int, ...], seed: int, dtype: torch.dtype, scale: float) -> Tensor:
    wide = torch.complex128 if dtype.is_complex else torch.float64
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(shape, generator=generator, dtype=wide)).to(dtype)


def _leaves(held: Any) -> Iterator[Tensor]:
    """The tensors in a state, in the order of its keys."""
    if isinstance(held, Tensor):
        yield held
    elif isinstance(held, dict):
        for key in sorted(held):
            yield from _leaves(held[key])
    elif isinstance(held, list):
        for value in held:
            yield from _leaves(value)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Inside, numbers and new tensors have this type unless told otherwise."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Inside, torch computes on one thread: on tensors this small others are only waited for."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
