"""The slow part of the gradient, amplified."""

import numpy as np
import pytest

from tests.fuse.border import Border
from thalweg import rules
from thalweg.chain import chain
from thalweg.stages import GrokFast

engines = pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])
MADE = chain("Grok", GrokFast, rules.SGD, lr=1.0)


@engines
@pytest.mark.parametrize(("alpha", "lamb"), [(0.98, 2.0), (0.5, 5.0), (0.0, 1.0), (1.0, 3.0)])
def test_a_running_mean_is_added(alpha, lamb, oracle):
    rng = np.random.default_rng(0)
    border = Border(MADE, ({"alpha": alpha, "lamb": lamb}, [np.zeros(4)]), oracle=oracle)
    mean, place = None, np.zeros(4)
    for _ in range(6):
        g = rng.standard_normal(4)
        mean = g if mean is None else alpha * mean + (1 - alpha) * g
        place = place - (g + lamb * mean)
        border.step([g])
        np.testing.assert_allclose(border.params[0], place, rtol=1e-13, atol=1e-14)
