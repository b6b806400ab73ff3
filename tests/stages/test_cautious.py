"""Decay that never works against the step."""

import numpy as np
import pytest

from tests.fuse.border import Border
from thalweg import rules
from thalweg.chain import chain
from thalweg.stages import CautiousDecay

engines = pytest.mark.parametrize("oracle", [False, True], ids=["fused", "oracle"])


@engines
def test_a_weight_decays_unless_the_step_brings_it_further_from_zero(oracle):
    """u p >= 0 of the paper: a weight that has no step decays, too."""
    made = chain("Careful", rules.SGD, CautiousDecay)
    value, grad = np.array([4.0, 4, 4, -4, -4, -4]), np.array([1.0, 0, -1, -1, 0, 1])
    border = Border(made, ({"lr": 0.5, "weight_decay": 0.25}, [value]), oracle=oracle)
    border.step([grad])
    decays = np.array([1, 1, 0, 1, 1, 0])
    np.testing.assert_array_equal(border.params[0], value - 0.5 * grad - 0.125 * value * decays)
