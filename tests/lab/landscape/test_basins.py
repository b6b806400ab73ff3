"""Where each start of a window leads."""

import numpy as np
import pytest

from thalweg.lab.landscape.basins import DIVERGED, NOWHERE, basin
from thalweg.lab.landscape.entrants import entrant
from thalweg.lab.landscape.surfaces import SURFACES
from thalweg.lab.landscape.walking import path


def starts(surface, found):
    x_low, x_high, y_low, y_high = surface.window
    across = len(found.reached)
    axes = np.linspace(x_low, x_high, across), np.linspace(y_low, y_high, across)
    return np.stack(np.meshgrid(*axes), axis=-1)


def test_a_pixel_says_where_its_own_path_ends_and_since_when():
    surface, one = SURFACES["himmelblau"], entrant("sgd")
    found = basin(one, surface, 0.01, 60)
    assert set(np.unique(found.reached)) >= {0, 1, 2, 3}
    minima, near = np.array(surface.minima), 0.02 * surface.diagonal
    for i, j in [(5, 8), (30, 31), (50, 12), (57, 49)]:
        places = path(one, surface, tuple(starts(surface, found)[i, j]), 0.01, 60)
        away = np.linalg.norm(places[:, None] - minima, axis=-1)
        k = found.reached[i, j]
        assert k == (away[-1].argmin() if away[-1].min() < near else NOWHERE)
        there = away[:, k] < near
        assert there[found.steps[i, j] :].all()
        assert not there[found.steps[i, j] - 1]


def test_a_rate_that_is_too_low_gets_nowhere_and_one_too_high_diverges():
    surface = SURFACES["booth"]
    low, high = (basin(entrant("sgd"), surface, lr, 50) for lr in (1e-5, 1.0))
    assert (low.reached == NOWHERE).mean() > 0.9
    assert (high.reached == DIVERGED).mean() > 0.9


def test_on_a_saddle_it_is_when_the_window_is_left():
    found = basin(entrant("sgd"), SURFACES["saddle"], 0.05, 80)
    middle, edge = found.steps[30, 30], found.steps[2, 30]
    assert found.reached[2, 30] == 0
    assert edge < middle
    assert (found.reached[30] == NOWHERE).any() or middle > 20


@pytest.mark.parametrize(("spec", "across"), [("adam", 60), ("lamb", 24), ("prodigy", 6)])
def test_the_grid_is_as_fine_as_the_rule_allows(spec, across):
    found = basin(entrant(spec), SURFACES["booth"], 0.01, 3)
    assert found.reached.shape == found.steps.shape == (across, across)
