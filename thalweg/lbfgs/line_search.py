"""A step length along a descent direction that satisfies the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from thalweg.elementwise import sqrt
from thalweg.lbfgs.vectors import Number, Vector

__all__ = ["Point", "strong_wolfe"]

C1 = 1e-4  # the part of the first slope that the loss must have fallen by
C2 = 0.9  # the part of the first slope's size that the slope may still have

GROWTH = 10.0  # how far one step may go beyond the last
MARGIN = 0.1  # of the bracket's length: nearer to an end is too near, twice in a row


class Point(NamedTuple):
    """What is known at x + t d: the loss f, its gradient g, and the slope g.d along d."""

    t: Number
    f: float
    g: Vector
    slope: Number


def strong_wolfe(
    at: Callable[[Number], Point],
    start: Point,
    t: Number,
    longest: Number,
    tolerance: float,
    limit: int,
) -> Point:
    """The point of Nocedal and Wright's Algorithm 3.5, or the lowest found when it must give up.

    `at(t)` evaluates the loss, `start` is the point at t = 0 and `t` the first length to try;
    `longest` is the largest element of d in size. The search ends after 1 + `limit` evaluations,
    or when d times the bracket's length is smaller than `tolerance` everywhere. Where the loss or
    its gradient is not finite is too far: the point found is finite if `start` is.
    """

    def trial(t: Number) -> Point:
        point = at(t)
        return point if _is_finite(point) else point._replace(f=math.inf)

    ends, done, tries = _bracket(trial, start, t, limit)
    return ends[0] if done else _zoom(trial, start, ends, longest, tolerance, limit - tries)


def _is_finite(point: Point) -> bool:
    """Whether loss and gradient are numbers; one element that is none shows in the slope."""
    return math.isfinite(point.f) and math.isfinite(point.slope)


def _falls_enough(point: Point, start: Point) -> bool:
    """Armijo's condition, as torch rounds it."""
    return not point.f > start.f + C1 * point.t * start.slope


def _is_flat(point: Point, start: Point) -> bool:
    """The condition on the curvature."""
    return bool(abs(point.slope) <= -C2 * start.slope)


def _bracket(
    at: Callable[[Number], Point], start: Point, t: Number, limit: int
) -> tuple[list[Point], bool, int]:
    """Algorithm 3.5: lengthen t until a good point lies between the last two tried.

    Returns those two, or the one that is good already and True; and the evaluations after the
    first.
    """
    last, point = start, at(t)
    for tries in range(limit):
        if not _falls_enough(point, start) or (tries > 1 and point.f >= last.f):
            return [last, point], False, tries
        if _is_flat(point, start):
            return [point], True, tries
        if point.slope >= 0:
            return [last, point], False, tries
        nearest, farthest = point.t + 0.01 * (point.t - last.t), point.t * GROWTH
        last, point = point, at(_cubic_minimum(last, point, nearest, farthest))
    return [start, point], False, max(limit, 0)


def _zoom(
    at: Callable[[Number], Point],
    start: Point,
    ends: list[Point],
    longest: Number,
    tolerance: float,
    limit: int,
) -> Point:
    """Algorithm 3.6: narrow a bracket until its lower end is good."""
    low, high = _by_loss(ends)
    was_too_near = False
    for _ in range(limit):
        left, right = min(ends[0].t, ends[1].t), max(ends[0].t, ends[1].t)
        if left == right or (right - left) * longest < tolerance:
            break
        t = _cubic_minimum(ends[0], ends[1], left, right)
        margin = MARGIN * (right - left)
        is_too_near = bool(min(right - t, t - left) < margin)
        if is_too_near and (was_too_near or t >= right or t <= left):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            is_too_near = False
        was_too_near = is_too_near
        point = at(t)
        if not _falls_enough(point, start) or point.f >= ends[low].f:
            ends[high] = point
            low, high = _by_loss(ends)
            continue
        if _is_flat(point, start):
            return point
        if point.slope * (ends[high].t - ends[low].t) >= 0:
            ends[high] = ends[low]
        ends[low] = point
    return ends[low]


def _by_loss(ends: list[Point]) -> tuple[int, int]:
    """Which of two points is the lower, and which the other; the first if they are level."""
    return (0, 1) if ends[0].f <= ends[1].f else (1, 0)


def _cubic_minimum(a: Point, b: Point, nearest: Number, farthest: Number) -> Number:
    """Where the cubic through two points with their slopes is least, kept within bounds.

    Equation 3.59; the middle where the cubic has no minimum, or is none.
    """
    if math.inf in (a.f, b.f):  # beyond where the loss is defined
        return (nearest + farthest) / 2
    if not a.t <= b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    squared = d1**2 - a.slope * b.slope
    if not squared >= 0:
        return (nearest + farthest) / 2
    d2 = sqrt(squared)
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(t, nearest), farthest)
