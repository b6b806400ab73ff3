"""Paths: those of mytorch's optimizers, however many walk at once."""

import numpy as np
import pytest

from thalweg.lab.landscape.entrants import entrant
from thalweg.lab.landscape.surfaces import SURFACES
from thalweg.lab.landscape.walking import Apart, apart, path, walk
from thalweg.mytorch import nn, optim, tensor

BEALE = SURFACES["beale"]


def by_hand(make, steps):
    """The path of an optimizer whose gradients autograd computes."""
    p = nn.Parameter(np.array(BEALE.start))
    opt, places = make([p]), [p.data.copy()]
    for _ in range(steps):
        opt.zero_grad()
        BEALE.value(p[0], p[1]).backward()
        opt.step()
        places.append(p.data.copy())
    return np.array(places)


MADE = {
    "adam": lambda p: optim.Adam(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.01, momentum=0.9),
    "ranger(k=3)": lambda p: optim.Ranger(p, lr=0.1, k=3),
    "lamb": lambda p: optim.LAMB(p, lr=0.1),
    "prodigy": lambda p: optim.Prodigy(p, lr=0.1),
}


@pytest.mark.parametrize("spec", MADE)
def test_a_path_is_that_of_the_optimizer_trained_by_hand(spec):
    assert tensor(BEALE.start).numpy().dtype == np.float32  # and a Parameter of doubles is double
    expected = by_hand(MADE[spec], 60)
    lr = 0.01 if spec == "momentum" else 0.1
    found = path(entrant(spec), BEALE, BEALE.start, lr, 60)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("adam", Apart.NOTHING),
        ("ranger", Apart.NOTHING),
        ("lamb", Apart.PARAMETERS),
        ("cautiousadamw", Apart.PARAMETERS),
        ("prodigy", Apart.OPTIMIZERS),
    ],
)
def test_walkers_know_nothing_of_each_other(spec, what):
    one = entrant(spec)
    assert apart(one) is what
    starts = np.array([[0.5, -1.0], [1.0, 1.2], [3.0, -0.3], [2.0, 0.1]])
    rates = np.array([0.03, 0.01, 0.03, 0.1])
    together = np.stack(list(walk(one, BEALE, starts, rates, 40)))
    alone = [path(one, BEALE, s, r, 40) for s, r in zip(map(tuple, starts), rates, strict=True)]
    np.testing.assert_allclose(together, np.stack(alone, axis=1), rtol=1e-12, atol=1e-12)


def test_noise_is_added_to_the_gradients():
    noise = np.random.default_rng(0).standard_normal((5, 2))
    plain = path(entrant("sgd"), SURFACES["cliff"], (2.0, 0.0), 1e-3, 1)
    moved = path(entrant("sgd"), SURFACES["cliff"], (2.0, 0.0), 1e-3, 1, noise)
    np.testing.assert_allclose(moved[1] - plain[1], -1e-3 * noise[0], rtol=1e-9)


def test_who_diverges_does_so_without_a_word():
    found = path(entrant("sgd"), SURFACES["rosenbrock"], (-1.5, 2.0), 10.0, 30)
    assert not np.isfinite(found[-1]).any()
