"""NaN and infinity travel through a step exactly as they do in torch's plain loop."""

import itertools
import math

import numpy as np
import pytest

from tests.cases import at_torch
from tests.fuse.border import Border

torch = pytest.importorskip("torch")

# 5e20 squared overflows, but not times 0.001 first; 1e30 overflows either way
GRADIENTS = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 1e-45, 5e20, -1e30, 3.4e38]
PARAMETERS = [math.nan, math.inf, -math.inf, 0.0, 1.0, -3.4e38]
P, G = np.array(list(itertools.product(PARAMETERS, GRADIENTS)), np.float32).T
LATER = [np.roll(G, 3), np.ones_like(G)]  # every value meets another, then an ordinary one


def same_where_not_finite(ours, theirs):
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    infinite = np.isinf(theirs)
    np.testing.assert_array_equal(np.isinf(ours), infinite)
    np.testing.assert_array_equal(ours[infinite], theirs[infinite])
    finite = np.isfinite(theirs)
    # a few steps in float32, each of a few roundings
    np.testing.assert_allclose(ours[finite], theirs[finite], rtol=1e-5, atol=1e-38)


@pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])
@pytest.mark.parametrize("before", [0, 6], ids=["at once", "where RAdam rectifies"])
@pytest.mark.parametrize("one", at_torch(), ids=str)
def test_nan_and_infinity_are_where_torch_has_them(one, before, oracle):
    if oracle and one.settings.get("centered"):
        pytest.skip("v - a^2 is one instruction in torch and in the kernel; in NumPy a^2 overflows")
    border = Border(one.chain, (one.settings, [P]), forms=["float32"] * 3, oracle=oracle)
    p = torch.tensor(P, requires_grad=True)
    opt = getattr(torch.optim, one.torch)([p], foreach=False, **one.settings)
    for grad in [*[np.ones_like(G)] * before, G, *LATER]:
        with np.errstate(all="ignore"):
            border.step([grad])
        p.grad = torch.tensor(grad)
        opt.step()
        same_where_not_finite(border.params[0], p.detach().numpy())
        for slot in border.chain.live_slots(border.chain.views(border.groups[0])):
            same_where_not_finite(border.state(slot.key), opt.state[p][slot.key].numpy())
