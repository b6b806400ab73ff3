"""A chain's compiled steps beside those of the reference, bit for bit."""

import numpy as np

from tests.fuse.border import Border
from thalweg.chain import chain

SHAPES = [(4, 3), (5,), ()]


def same(made, form="float64", **settings):
    """Three steps of the compiled pass and of the oracle, from the same start."""
    made = chain(made.__name__, made) if isinstance(made, type) else made
    rng = np.random.default_rng(3)
    values = [rng.standard_normal(shape) for shape in SHAPES]
    borders = [Border(made, (settings, values), forms=[form] * 3, oracle=o) for o in (False, True)]
    for _ in range(3):
        grads = [rng.standard_normal(shape) for shape in SHAPES]
        for border in borders:
            border.step(grads)
    fused, oracle = borders
    assert fused.is_intact
    for start, ours, theirs in zip(values, fused.states, oracle.states, strict=True):
        assert (ours["p"] != start).all()
        for name, array in ours.items():
            # a few roundings per step, in the type of the computation
            tolerance = 100 * np.finfo(form).eps
            np.testing.assert_allclose(array, theirs[name], rtol=tolerance, atol=tolerance)
