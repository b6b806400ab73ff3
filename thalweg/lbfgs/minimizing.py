"""The iterations of L-BFGS: directions from the history, and steps along them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from thalweg.lbfgs.history import Gram, begin, forget
from thalweg.lbfgs.line_search import Point, strong_wolfe
from thalweg.lbfgs.vectors import Number, Vector, Vectors

__all__ = ["LEAST_CURVATURE", "Memory", "Problem"]

# A pair is kept if y.s exceeds this, so that H stays positive.
LEAST_CURVATURE = 1e-10


class Problem(Protocol):
    """A loss as a function of one vector: all parameters, one behind the other."""

    evaluations: int
    rate: float
    """The largest lr of the groups."""

    def evaluate(self) -> tuple[float, Vector]:
        """The loss and its gradient where the parameters are."""

    def scale(self, d: Vector) -> bool:
        """Shorten d in the groups whose lr is below the largest; says whether there are any."""

    def advance(self, t: Number, d: Vector) -> None:
        """Move the parameters by t d from where they are."""

    def along(self, d: Vector, search: Callable[[Callable[[Number], Any]], Point]) -> Point:
        """Let `search` look for a length, with a function that evaluates the loss and its gradient
        at one; move the parameters to the point it finds, or back if it fails."""


class Memory:
    """One problem's iterations, with what they remember; `state` is what a file has of it."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors
        self._gram: Gram | None = None

    def minimize(
        self, problem: Problem, state: dict[str, Any], h: Mapping[str, Any], f: float, g: Vector
    ) -> None:
        """Take up to `max_iter` iterations from here, where the loss is f and its gradient g."""
        begin(self.vectors, state, g)
        try:
            self._iterate(problem, state, h, f, g)
        finally:
            state["func_evals"] += problem.evaluations

    def prepare(self, state: dict[str, Any], g: Vector) -> None:
        """Make what a state has after a step that moved nothing."""
        begin(self.vectors, state, g)
        if state.get("d") is None:
            zeros, one = self.vectors.zeros_like(g), self.vectors.number(1.0, g)
            state.update(d=zeros, t=0.0, H_diag=one, prev_flat_grad=g, prev_loss=0.0)

    def _iterate(
        self, problem: Problem, state: dict[str, Any], h: Mapping[str, Any], f: float, g: Vector
    ) -> None:
        vectors, tolerance = self.vectors, h["tolerance_change"]
        for i in range(int(h["max_iter"])):
            steepest = float(vectors.largest(g))
            if steepest <= h["tolerance_grad"]:
                return
            if h["line_search_fn"] and not (math.isfinite(f) and math.isfinite(steepest)):
                return  # there is nothing to compare a trial with
            is_first = state["n_iter"] == 0 or state.get("d") is None
            d = self._direction(problem, state, h, g, is_first)
            # The last step is taken in. Until there is another, none has been made since.
            state.update(d=d, t=0.0, prev_flat_grad=g, prev_loss=f)
            start = Point(0.0, f, g, vectors.dot(g, d))
            t: Number = problem.rate
            if start.slope > -tolerance:
                state["n_iter"] += 1
                return
            if is_first:
                t = min(1.0, 1.0 / vectors.length(g)) * t
            longest = vectors.largest(d)
            if h["line_search_fn"] and t > 0:
                limit = int(h["max_eval"]) - problem.evaluations
                t, f, g, _ = self._search(problem, start, t, d, longest, tolerance, limit)
            else:
                problem.advance(t, d)
            state.update(t=float(t), n_iter=state["n_iter"] + 1)
            is_last = i + 1 == h["max_iter"]
            if not h["line_search_fn"] and not is_last:
                f, g = problem.evaluate()
            has_stalled = abs(f - state["prev_loss"]) < tolerance
            if has_stalled or problem.evaluations >= h["max_eval"]:
                return
            if self._is_within(longest, float(t), tolerance):
                return

    def _search(
        self,
        problem: Problem,
        start: Point,
        t: Number,
        d: Vector,
        longest: Number,
        tolerance: float,
        limit: int,
    ) -> Point:
        def search(evaluated: Callable[[Number], Any]) -> Point:
            def at(t: Number) -> Point:
                f, g = evaluated(t)
                return Point(t, f, g, self.vectors.dot(g, d))

            return strong_wolfe(at, start, t, longest, tolerance, limit)

        return problem.along(d, search)

    def _direction(
        self,
        problem: Problem,
        state: dict[str, Any],
        h: Mapping[str, Any],
        g: Vector,
        is_first: bool,
    ) -> Vector:
        """-H g, in each group in proportion to its lr."""
        d = forget(self.vectors, state, g) if is_first else self._newton(state, h, g)
        if problem.scale(d) and self.vectors.dot(g, d) > -h["tolerance_change"]:
            d = forget(self.vectors, state, g)
            problem.scale(d)
        return d

    def _newton(self, state: dict[str, Any], h: Mapping[str, Any], g: Vector) -> Vector:
        """-H g, after the last step has been taken into the history."""
        vectors, m = self.vectors, int(h["history_size"])
        d, t = state["d"], state["t"]
        s, y = d if t == 1 else d * t, g - state["prev_flat_grad"]
        gram = self._gram
        if gram is None or not gram.is_of(state["old_stps"], state["old_dirs"]):
            gram = self._gram = Gram(vectors, state["old_stps"], state["old_dirs"])
        if vectors.dot(y, s) > LEAST_CURVATURE:
            gram.shrink(m - 1)
            products = vectors.inner([*gram.s, s, *gram.y, y], g, y)
            with_s, with_y = products.reshape(2, -1, 2)
            gram.grow(s, y, with_s[:, 1], with_y[:, 1])
            ys, yy = with_s[-1, 1], with_y[-1, 1]
            state.update(
                old_stps=list(gram.s),
                old_dirs=list(gram.y),
                ro=[*state["ro"], vectors.number(float(1 / ys), g)][-m:],
                H_diag=vectors.number(float(ys / yy), g),
            )
        else:
            products = vectors.inner([*gram.s, *gram.y], g, g)
        gamma = float(state["H_diag"])
        alpha, c = gram.two_loops(products[:, 0], gamma)
        state.setdefault("al", [None] * m)  # where torch writes its own alpha
        # in the order of the two loops, with their partial sums
        coefficients = np.concatenate((-gamma * alpha[::-1], c))
        return vectors.combined(-gamma, g, coefficients, [*reversed(gram.y), *gram.s])

    def _is_within(self, longest: Number, t: float, tolerance: float) -> bool:
        """Whether t longest <= tolerance, as the gradient's type rounds it; a Python number says so
        where no rounding could."""
        if float(longest) * t > max(2 * tolerance, self.vectors.tiny(longest)):
            return False
        return bool(longest * t <= tolerance)
