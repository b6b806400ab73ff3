"""The rules of the last years take the steps of their papers at both borders, with an average
beside the weights, with states of a type of their own, and with a file in mid-run."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

import thalweg.optim as optim
from tests.cases import SUBJECTS
from tests.matrices import papers
from thalweg import mytorch
from thalweg.averaging import EMA

STEPS, BREAK, DECAY = 50, 23, 0.9
ELEMENTWISE = [
    *("LAMB", "LARS", "StableAdamW", "CautiousAdamW", "CautiousLion", "Grams", "NovoGrad"),
    *("Prodigy", "ScheduleFreeAdamW"),
]
ON_MATRICES = {"AdamMini": papers.adam_mini, "CAME": papers.came, "Adafactor": papers.adafactor}
ON_MATRICES |= {"SOAP": papers.soap, "Shampoo": papers.shampoo}
BY_NAME = {one.name: one for one in SUBJECTS}
RULES = {name: (BY_NAME[name].reference, BY_NAME[name].whole) for name in ELEMENTWISE}
RULES |= {name: (paper, {"lr": 0.01}) for name, paper in ON_MATRICES.items()}
SHAPE = (6, 6)  # both factors of a matrix have full rank from the first step, and one basis each


class OnTorch:
    """One weight under torch's border."""

    def __init__(self, name, start, settings):
        self.name, self.settings = name, settings
        self.p = torch.nn.Parameter(torch.tensor(start))
        self.opt = getattr(optim, name)([self.p], average=EMA(DECAY), **settings)

    def step(self, g):
        self.p.grad = torch.tensor(g)
        self.opt.step()

    def restarted(self):
        file = io.BytesIO()
        torch.save(self.opt.state_dict(), file)
        file.seek(0)
        found = OnTorch(self.name, self.value, self.settings)
        found.opt.load_state_dict(torch.load(file, weights_only=True))
        return found

    @property
    def value(self):
        return self.p.detach().numpy().copy()


class OnNumPy:
    """The same under mytorch's."""

    def __init__(self, name, start, settings):
        self.name, self.settings = name, settings
        self.p = mytorch.nn.Parameter(start.copy())
        self.opt = getattr(mytorch.optim, name)([self.p], average=EMA(DECAY), **settings)

    def step(self, g):
        self.p.grad = g
        self.opt.step()

    def restarted(self):
        found = OnNumPy(self.name, self.value, self.settings)
        found.opt.load_state_dict(self.opt.state_dict())
        return found

    @property
    def value(self):
        return self.p.data.copy()


@pytest.mark.parametrize("border", [OnTorch, OnNumPy])
@pytest.mark.parametrize("name", RULES)
def test_the_steps_are_the_papers_through_a_file_and_beside_an_average(name, border):
    paper, settings = RULES[name]
    draw = np.random.default_rng(5)
    start, gradients = draw.normal(size=SHAPE), draw.normal(size=(STEPS, *SHAPE))
    one, mean = border(name, start, settings), None
    path = paper(start, gradients, **settings)
    for t, (g, wanted) in enumerate(zip(gradients, path, strict=True)):
        one = one.restarted() if t == BREAK else one
        one.step(g)
        np.testing.assert_allclose(one.value, wanted, rtol=1e-10, atol=1e-11)
        now = np.asarray(wanted)
        mean = now if mean is None else mean + (1 - DECAY) * (now - mean)
    with one.opt.averaged_weights():
        np.testing.assert_allclose(one.value, mean, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", RULES)
def test_wide_states_are_kept_through_a_file(name):
    _, settings = RULES[name]
    draw = np.random.default_rng(6)
    start = torch.tensor(draw.normal(size=SHAPE)).bfloat16()
    whole, broken = (start.clone() for _ in range(2))
    opt = getattr(optim, name)([whole], state_dtype="float32", **settings)
    other = getattr(optim, name)([broken], state_dtype="float32", **settings)
    for t in range(6):
        if t == 3:
            again = getattr(optim, name)([broken], state_dtype="float32", **settings)
            again.load_state_dict(other.state_dict())
            other = again
        whole.grad = torch.tensor(draw.normal(size=SHAPE)).bfloat16()
        broken.grad = whole.grad.clone()
        opt.step()
        other.step()
    assert torch.equal(whole, broken)
    kept = {held.dtype for key, held in opt.state[whole].items() if getattr(held, "dim", int)()}
    assert kept <= {torch.float32}
