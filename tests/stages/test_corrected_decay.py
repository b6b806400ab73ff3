"""Weight decay that keeps its strength where the learning rate falls."""

import numpy as np
import pytest

from tests.fuse.border import Border
from thalweg import rules
from thalweg.chain import chain
from thalweg.stages import CorrectedDecay, DecoupledDecay

torch = pytest.importorskip("torch")
optim = pytest.importorskip("thalweg.optim")

engines = pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])
MADE = chain("Corrected", CorrectedDecay, rules.SGD)
DECAY = 0.5


def shares(rates, oracle, **settings):
    """What is left of a weight without a gradient after each step, of what was before it."""
    group = {"weight_decay": DECAY, **settings}
    border = Border(MADE, ({"lr": rates[0], **group}, [np.full(3, 8.0)]), oracle=oracle)
    found, before = [], 8.0
    for lr in rates:
        border.groups[0]["lr"] = lr
        border.step([np.zeros(3)])
        found.append(border.params[0][0] / before)
        before = border.params[0][0]
    return found


@engines
def test_it_goes_with_the_square_of_a_rate_that_falls(oracle):
    rates = [0.5, 1.0, 0.5, 0.25, 0.0]
    want = [1 - DECAY * lr * lr / top for lr, top in zip(rates, [0.5, 1, 1, 1, 1], strict=True)]
    np.testing.assert_allclose(shares(rates, oracle), want, rtol=1e-14)


@engines
def test_a_peak_that_is_told_counts_from_the_warm_up_on(oracle):
    rates = [0.0, 0.5, 1.0, 0.5]
    want = [1 - DECAY * lr * lr / 1.0 for lr in rates]
    np.testing.assert_allclose(shares(rates, oracle, max_lr=1.0), want, rtol=1e-14)


@engines
def test_layers_without_a_norm_have_the_usual_decay(oracle):
    rates = [0.5, 1.0, 0.25]
    want = [1 - DECAY * lr for lr in rates]
    np.testing.assert_allclose(shares(rates, oracle, corrected=False), want, rtol=1e-14)


@engines
def test_at_one_rate_it_is_the_usual_decay(oracle):
    borders = [
        Border(chain("X", decay, rules.Adam), ({"weight_decay": DECAY}, [np.full(3, 8.0)]))
        for decay in (CorrectedDecay, DecoupledDecay)
    ]
    for t in range(5):
        for border in borders:
            border.step([np.full(3, float(t))])
    np.testing.assert_allclose(borders[0].params[0], borders[1].params[0], rtol=1e-14)


def trained(steps, saved=None):
    """A weight under a falling rate, its optimizer made anew from a file in between."""
    p = torch.nn.Parameter(torch.full((3,), 8.0, dtype=torch.float64))
    opt = optim.AdamC([p], lr=1.0, weight_decay=DECAY)
    for t in range(steps):
        if t == saved:
            state = opt.state_dict()
            opt = optim.AdamC([p], lr=0.25, weight_decay=DECAY)
            opt.load_state_dict(state)
        opt.param_groups[0]["lr"] = 1 / (1 + t)
        p.grad = torch.ones_like(p)
        opt.step()
    return p.detach()


def test_the_peak_survives_a_resume():
    assert torch.equal(trained(6, saved=3), trained(6))


def test_one_cycle_tells_its_peak():
    p = torch.nn.Parameter(torch.ones(3))
    opt = optim.AdamC([p], lr=0.1)
    torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=0.5, total_steps=10)
    assert opt.param_groups[0]["max_lr"] == 0.5
    p.grad = torch.ones(3)
    opt.step()
    assert opt.state[p]["lr_max"] == 0.5
