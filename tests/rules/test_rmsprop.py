"""Centered RMSprop where all gradients are equal: a variance that rounding leaves below zero."""

import numpy as np
import pytest

from tests.fuse.border import Border
from thalweg.optimizers import OPTIMIZERS

STEPS = 160  # torch's weights are NaN from step 136 to 139 on
GRADIENTS = [0.7, 3.3, -0.7, 1e-3]


def run(oracle, form, **settings):
    made = {"alpha": 0.9, "centered": True, **settings}
    border = Border(OPTIMIZERS["RMSprop"], (made, [np.ones(4)]), oracle=oracle, forms=(form,) * 3)
    for _ in range(STEPS):
        border.step([np.array(GRADIENTS)])
    return border


@pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])
@pytest.mark.parametrize("form", ["float32", "float64"])
@pytest.mark.parametrize("settings", [{}, {"momentum": 0.9}], ids=["plain", "momentum"])
def test_it_goes_on_downhill_and_never_becomes_nan(settings, form, oracle):
    border = run(oracle, form, **settings)
    assert np.isfinite(border.params[0]).all()
    assert (np.sign(border.params[0] - 1) == -np.sign(GRADIENTS)).all()


@pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])
def test_what_is_not_finite_stays_so(oracle):
    border = Border(OPTIMIZERS["RMSprop"], ({"centered": True}, [np.ones(2)]), oracle=oracle)
    with np.errstate(all="ignore"):
        border.step([np.array([np.nan, np.inf])])
    assert np.isnan(border.params[0]).all()


@pytest.mark.slow
def test_torch_and_ours_part_there_and_not_before():
    torch = pytest.importorskip("torch")
    optim = pytest.importorskip("thalweg.optim")
    theirs, ours = (torch.nn.Parameter(torch.ones(4)) for _ in range(2))
    settings = dict(alpha=0.9, centered=True, eps=1e-4)  # which bounds what rounding magnifies
    pair = [torch.optim.RMSprop([theirs], **settings), optim.RMSprop([ours], **settings)]
    for step in range(STEPS):
        for p, opt in zip((theirs, ours), pair, strict=True):
            p.grad = torch.tensor(GRADIENTS)
            opt.step()
        if step == 20:
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=0)
    assert theirs.isnan().any()
    assert ours.isfinite().all()
