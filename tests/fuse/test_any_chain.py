"""Any chain of stages in front of any rule, on its step and behind it: fused as it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.drawn import value
from tests.fuse.border import Border
from tests.fuse.test_kept_numbers import DoG, DoGOfAll
from tests.fuse.test_steps_reshaped import ClipStep, PerRow
from tests.plain import is_plain
from thalweg import rules
from thalweg.chain import Chain, chain, named
from thalweg.elementwise import abs as absolute
from thalweg.reductions import largest, mean
from thalweg.rule import Rule, Stage, setting, state
from thalweg.stages import (
    AGC,
    Cautious,
    Centralize,
    ClipNorm,
    ClipValue,
    Decay,
    EqualAverage,
    ExponentialAverage,
    Lookahead,
    Maximize,
    NormLoss,
    StepDecay,
    TrustRatio,
)

SHAPES = [(4, 3), (5,), (), (2, 3, 2), (1, 7), (0, 3)]
STEPS = 6


class Scaled(Stage):
    """Divides by a running mean of the largest gradient, from the second step on."""

    keeps: float = setting(0.5, low=0, high=1)
    level = state("level", per="tensor")

    @staticmethod
    def update(g, level, t, ndim, keeps):
        peak = largest(absolute(g))
        level = peak if t == 1 else keeps * level + (1 - keeps) * peak
        if t > 1 and ndim != 1:
            g = g / (0.1 + level)
        return g, level


class Warm(Stage):
    """A share of the gradient's mean over all, that grows with the steps."""

    warm: int = setting(3, low=1)

    @staticmethod
    def update(g, t, rows, warm):
        share = t / warm
        if share < 1 and rows > 1:
            g = share * g + (1 - share) * mean(g, "all")
        return g


class Momentum(Stage):
    """Averages the step, with a seed."""

    beta: float = setting(0.9, low=0, below=1)
    b = state("step_momentum")

    @staticmethod
    def update(u, b, first, beta):
        b = u if first else beta * b + (1 - beta) * u
        u = b
        return u, b


RULES = [
    rule for rule in (getattr(rules, name) for name in rules.RULES) if is_plain(chain("X", rule))
]
OWN = [DoG, DoGOfAll]
IN_FRONT = [Maximize, ClipValue, ClipNorm, AGC, Centralize, Decay, NormLoss, Scaled, Warm]
ON_STEP = [TrustRatio, Cautious, StepDecay, ClipStep, PerRow, Momentum]
BEHIND = [Lookahead, ExponentialAverage, EqualAverage]


# settings at which a rounding decides, or is divided by: a root of nothing, a sign of nothing
TIED = {
    # v - m m is the rounding of g g - g g at 0
    "alpha": lambda v: v == 0,
    # an rms of nothing but roundings is divided by
    "eps": lambda v: v == 0,
}


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    rule = draw(st.sampled_from([*RULES, *OWN]))
    front = draw(st.lists(st.sampled_from(IN_FRONT), max_size=3, unique=True))
    steps = draw(st.lists(st.sampled_from(ON_STEP), max_size=2, unique=True))
    behind = draw(st.lists(st.sampled_from(BEHIND), max_size=2, unique=True))
    parts = [*front, rule, *(steps if "u" in rule.text.source.returned else []), *behind]
    if Decay in parts:  # one weight decay is enough
        parts = [part for part in parts if part is not StepDecay]
    if "lr" not in rule.declaration.settings:  # nothing for those that ask for it
        parts = [part for part in parts if "lr" not in part.declaration.needs]
    # a step as long as the weights takes one of a single element to 0, or to a rounding of it
    values = {"lr": 0.7} if TrustRatio in parts else {}
    if "d0" in rule.declaration.settings:  # first distances of 1e-6 are roundings of the weights
        values["d0"] = 1e-2
    return chain("Drawn", *(_under_own_names(part, rule) for part in parts), **values)


def _under_own_names(part: type[Rule | Stage], rule: type[Rule]) -> Any:
    """A part of whose settings and states none has the name of another's."""
    if part is rule:
        return part
    clashing = part.declaration.settings.keys() & rule.declaration.settings.keys()
    names = {name: f"{part.__name__}_{name}" for name in clashing}
    if part is EqualAverage:  # beside the other average
        names["avg"] = "equal_average"
    return named(part, **names)


@st.composite
def settings_of(draw: st.DrawFn, made: Chain) -> dict[str, Any]:
    drawn = {n: value(s, 100, 0.95) for n, s in made.settings.items()}
    found = draw(st.fixed_dictionaries({}, optional=drawn))
    try:
        made.check({**made.defaults, **found})
    except ValueError:  # each in its range, but not together
        assume(False)
    has_ratio = any(part.declared is TrustRatio for part in made.parts)
    assume(not has_ratio or found.get("lr") != 1)
    for name, is_tied in TIED.items():
        assume(name not in found or not is_tied(found[name]))
    return found


def assert_same(fused: Border, written: Border) -> None:
    """Equal to 1e-12 of the largest number of each array."""
    for ours, theirs in zip(fused.tensors, written.tensors, strict=True):
        if not theirs.held["p"].stored.size:
            continue
        assert ours.held.keys() == theirs.held.keys()
        for name in ours.held:
            a, b = ours.held[name].values, theirs.held[name].values
            floor = 1e-12 * np.abs(b).max(initial=0, where=np.isfinite(b))
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=floor, err_msg=name)
        assert ours.cells.keys() == theirs.cells.keys()
        for key, number in ours.cells.items():
            np.testing.assert_allclose(number, theirs.cells[key], 1e-12, 1e-12, err_msg=key)


@pytest.mark.slow
@given(data=st.data())
def test_any_chain_runs_fused_as_it_is_written(data):
    made = data.draw(chains())
    groups = [
        (data.draw(settings_of(made)), SHAPES[:3]),
        (data.draw(settings_of(made)), SHAPES[3:]),
    ]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    odd = data.draw(st.sets(st.integers(0, len(SHAPES) - 1)))
    with np.errstate(all="ignore"):
        given_ = [(s, [rng.standard_normal(shape) for shape in shapes]) for s, shapes in groups]
        borders = [Border(made, *given_, oracle=oracle) for oracle in (False, True, odd)]
        for _ in range(STEPS):
            # some tensors have no gradient this time, and fall behind
            grads = [rng.standard_normal(s) if rng.random() < 0.8 else None for s in SHAPES]
            for border in borders:
                border.step(grads)
    assert borders[0].is_intact
    assert_same(borders[0], borders[1])
    assert_same(borders[2], borders[1])
