"""The least a step can cost: rules that read and write the same arrays and compute next to nothing.

A floor is declared and run like any optimizer, so it goes through the same engine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from thalweg.chain import Chain, chain
from thalweg.optim import FusedOptimizer, optimizer
from thalweg.rule import Rule, Stage, state, switch

__all__ = ["EVERY", "FLOAT32", "FLOORS", "Floor"]

EVERY = 6  # Ranger's k: how often its floor touches the slow copy
FLOAT32 = 4  # bytes


class NoState(Rule):
    """The arrays of plain SGD."""

    @staticmethod
    def update(p, g):
        p = p + g
        return p


class OneState(Rule):
    """The arrays of SGD with momentum, Adagrad and RMSprop."""

    m = state("m")

    @staticmethod
    def update(p, g, m):
        m = m + g
        p = p + m
        return p, m


class CopiedState(Rule):
    """The arrays of ASGD: a state that is stored and not loaded."""

    m = state("m")

    @staticmethod
    def update(p, g, m):
        p = p + g
        m = p
        return p, m


class TwoStates(Rule):
    """The arrays of Adam and most others."""

    m = state("m")
    v = state("v")

    @staticmethod
    def update(p, g, m, v):
        m = m + g
        v = v + g
        p = p + m + v
        return p, m, v


class ThreeStates(Rule):
    """The arrays of Adam with amsgrad, and of centered RMSprop with momentum."""

    m = state("m")
    v = state("v")
    x = state("x")

    @staticmethod
    def update(p, g, m, v, x):
        m = m + g
        v = v + g
        x = x + g
        p = p + m + v + x
        return p, m, v, x


class SlowCopy(Stage):
    """The array of Lookahead, read and written at every EVERY-th step only."""

    slow = state("slow")

    @switch
    def touched(t):
        return t % EVERY == 0

    @staticmethod
    def update(p, slow, touched):
        if touched:
            slow = slow + p
        return slow


@dataclass(frozen=True)
class Floor:
    """A class of optimizer that only moves memory, and how much it moves."""

    make: Callable[[Any], FusedOptimizer]
    accesses: float  # loads and stores per element and step, on average


def _floor(rule: type[Rule] | Chain, accesses: float) -> Floor:
    return Floor(optimizer(rule), accesses)


# every array is loaded, if not said otherwise, and every one but the gradient is stored
FLOORS = {
    "p g": _floor(NoState, 3),
    "p g, m stored": _floor(CopiedState, 4),
    "p g m": _floor(OneState, 5),
    "p g m v": _floor(TwoStates, 7),
    "p g m v vmax": _floor(ThreeStates, 9),
    "p g m v, slow at times": _floor(chain("Slow", TwoStates, SlowCopy), 7 + 2 / EVERY),
}
