"""Random chains around rules on matrices, fused and as they are written, under one closure.

Without SOAP, GaLore and Dion: where a stage takes rank from a gradient, a basis of what is left is
arbitrary. Newton and Schulz run in the weights' own type, not in bfloat16, which makes much of the
last bit.
"""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import thalweg.optim as optim
from tests.matrices.settings import Reused
from thalweg import matrices
from thalweg.chain import Chain, chain, named
from thalweg.either import either
from thalweg.rule import Rule
from thalweg.rules import (
    APOLLO,
    CAME,
    SGD,
    Adam,
    AdamMini,
    Lion,
    Muon,
    MuSGD,
    NorMuon,
    PSGDKron,
    Scion,
    Shampoo,
)
from thalweg.stages import (
    SAM,
    Cautious,
    Centralize,
    ClipNorm,
    ClipValue,
    Decay,
    DecoupledDecay,
    Lookahead,
    Maximize,
    TrustRatio,
)

SHAPES = [(4, 4), (4, 4), (5,), (3, 2, 2), (6, 3)]
IN_FRONT = [Maximize, ClipValue, ClipNorm, Centralize, Decay, SAM]
RULES = [
    Adam,
    AdamMini,
    CAME,
    either(Shampoo, Adam),
    either(Shampoo, Lion),
    either(Muon, Adam),
    either(NorMuon, Lion),
    either(named(MuSGD, weight_decay="l2"), Adam),
    either(APOLLO, Adam),
    PSGDKron,
    Scion,
    SGD,
]
ON_STEP = [TrustRatio, Cautious]
BEHIND = [Lookahead]


@pytest.fixture(autouse=True, scope="module")
def exact():
    before = matrices._libraries
    matrices._libraries = [(kind, replace(one, short=lambda x: x)) for kind, one in before]
    yield
    matrices._libraries = before


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    front = draw(st.lists(st.sampled_from(IN_FRONT), max_size=3, unique=True))
    rule = draw(st.sampled_from(RULES))
    if rule is CAME:  # whose rows are others
        front = [stage for stage in front if stage is not Centralize]
    steps = draw(st.lists(st.sampled_from(ON_STEP), max_size=1))
    behind = draw(st.lists(st.sampled_from(BEHIND), max_size=1))
    # decoupled, under its own name: two stages have a weight_decay
    decay = (
        [named(DecoupledDecay, weight_decay="shrink", decoupled_weight_decay="shrinks")]
        if draw(st.booleans())
        else []
    )
    return chain("Drawn", *front, *decay, rule, *steps, *behind, lr=0.01)


def walked(made: Chain, is_odd: bool, seed: int, steps: int) -> list[torch.Tensor]:
    """The weights and states after some steps; an odd tensor has gaps, where no kernel runs."""
    generator = torch.Generator().manual_seed(seed)

    def normal(shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    values, centres = [normal(s) for s in SHAPES], [normal(s) for s in SHAPES]
    pushes = [[normal(s) for s in SHAPES] for _ in range(steps)]
    params = [torch.nn.Parameter(torch.stack([v, v], -1)[..., 0] if is_odd else v) for v in values]
    opt = optim.optimizer(made)(params)
    for t in range(steps):

        def closure(t=t):
            for i, (p, c) in enumerate(zip(params, centres, strict=True)):
                rests = t == 2 and i == 1
                p.grad = None if rests else torch.tanh(p.detach() - c) + pushes[t][i]

        if opt.chain.requests:
            opt.step(closure)
        else:
            closure()
            opt.step()
    found = [p.detach() for p in params]
    return found + [held[key] for held in map(opt.state.get, params) for key in sorted(held or ())]


@given(chains(), st.integers(0, 10**6), st.integers(3, 6))
def test_the_fused_step_is_the_one_that_is_written(made, seed, steps):
    fused, written = (walked(made, is_odd, seed, steps) for is_odd in (False, True))
    for a, b in zip(fused, written, strict=True):
        torch.testing.assert_close(a, b.reshape(a.shape), rtol=1e-7, atol=1e-8)


class Copied(Rule):
    """A name that is a copy of another, and gets another value before the other is read again."""

    lr: float = 0.1

    @staticmethod
    def takes(ndim):
        return ndim > 1

    @staticmethod
    def update(g, lr):
        d = 2 * g
        a = d
        a = a @ a.mT @ a
        u = lr * (d + a @ d.mT @ d)
        return u


@pytest.mark.parametrize("made", [Copied, Reused])
def test_a_name_may_be_used_again(made):
    made = chain("Mine", either(made, SGD)) if made is Copied else chain("Mine", made)
    fused, written = (walked(made, is_odd, 1, 4) for is_odd in (False, True))
    for a, b in zip(fused, written, strict=True):
        torch.testing.assert_close(a, b.reshape(a.shape), rtol=1e-9, atol=1e-10)
