"""The oracle follows the paper: a loop over NumPy arrays, written apart from it."""

import numpy as np
import pytest

from tests.cases import CASES, SUBJECTS
from tests.fuse.border import Border
from tests.plain import PLAIN

STEPS = 50
SHAPES = [(4, 3), (5,), (), (2, 3, 2, 2)]


@pytest.mark.parametrize("one", CASES, ids=str)
def test_the_oracle_follows_the_lines_of_the_paper(one):
    rng = np.random.default_rng(3)
    values = [rng.standard_normal(shape) for shape in SHAPES]
    grads = [[rng.standard_normal(shape) for shape in SHAPES] for _ in range(STEPS)]
    oracle = Border(one.chain, (one.settings, values), oracle=True)
    if hasattr(one.reference, "takes_lists"):
        papers = [map(joined, one.reference(values, iter(grads), **one.settings))]
    elif one.chain.shared or one.chain.asked_of_all:  # of all tensors: one vector to the paper
        papers = [one.reference(joined(values), map(joined, grads), **one.settings)]
    else:
        papers = [
            one.reference(value, [g[i] for g in grads], **one.settings)
            for i, value in enumerate(values)
        ]
    for g in grads:
        oracle.step(g)
        have = joined(oracle.params)
        want = joined([next(paper) for paper in papers])
        # the order of operations differs, and 50 steps add up its roundings
        np.testing.assert_allclose(have, want, rtol=1e-10, atol=1e-12)


def joined(arrays):
    return np.concatenate([array.reshape(-1) for array in arrays])


def test_every_optimizer_has_an_entry():
    assert sorted(one.name for one in SUBJECTS) == PLAIN
