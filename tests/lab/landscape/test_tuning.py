"""Learning rates: given, or chosen with the same budget."""

import numpy as np
import pytest

from thalweg.lab.landscape.entrants import entrant, entrants
from thalweg.lab.landscape.noise import normal
from thalweg.lab.landscape.race import Plan, race
from thalweg.lab.landscape.surfaces import SURFACES
from thalweg.lab.landscape.tuning import HIGHEST, LOWEST, rates, score, tune
from thalweg.lab.landscape.walking import path

BOOTH = SURFACES["booth"]


def test_a_rate_that_is_given_is_not_tuned():
    found = tune(entrant("adam(lr=0.3)"), BOOTH, BOOTH.start, 20, 5)
    assert (found.lr, found.given, found.scores) == (0.3, True, ())


def test_the_best_of_the_rates_is_taken():
    found = tune(entrant("sgd"), BOOTH, BOOTH.start, 50, 11)
    tried = rates(11)
    assert (tried[0], tried[-1], len(found.scores)) == (LOWEST, pytest.approx(HIGHEST), 11)
    ends = [path(entrant("sgd"), BOOTH, BOOTH.start, lr, 50)[-5:] for lr in tried]
    with np.errstate(all="ignore"):
        means = np.array([BOOTH.height(end).mean() for end in ends])
    assert found.lr == tried[np.nanargmin(means)]


def test_a_path_that_leaves_the_picture_is_worse_than_every_one_that_stays():
    stays = np.tile(BOOTH.start, (11, 1))
    leaves = stays.copy()
    leaves[1:] = BOOTH.minima[0]
    leaves[5] = [100.0, 0.0]
    found = score(BOOTH, np.stack([stays, leaves], axis=1))
    assert found[0] < found[1] == np.inf


def test_on_a_saddle_all_are_brought_to_the_same_pace():
    runs = race(SURFACES["saddle"], entrants([]), Plan(SURFACES["saddle"].start, 250)).runs
    start = np.array(SURFACES["saddle"].start)
    away = [np.abs(run.places - start).max(axis=1) for run in runs]
    times = {run.label: int((one >= 0.65).argmax()) for run, one in zip(runs, away, strict=True)}
    assert all(20 <= times[label] <= 40 for label in ("SGD", "momentum", "RMSprop", "Adam"))


def test_the_saddle_tells_the_classic_story():
    runs = {run.label: run for run in race(
        SURFACES["saddle"], entrants([]), Plan(SURFACES["saddle"].start, 250)).runs}  # fmt: skip
    beyond = {label: np.abs(run.places[:, 1]) > 0.75 for label, run in runs.items()}
    left = {label: int(one.argmax()) if one.any() else 999 for label, one in beyond.items()}
    assert max(left["RMSprop"], left["Adam"]) < 60
    assert max(left["RAdam"], left["Ranger"]) < 200 < left["momentum"] <= 250
    assert left["SGD"] == 999


def test_the_edge_of_the_rates_is_noticed():
    assert tune(entrant("sgd"), SURFACES["cliff"], (-3.2, 1.8), 10, 3).edge in ("highest", None)
    flat = tune(entrant("sgd"), BOOTH, BOOTH.start, 10, 2)  # 10 diverges, and the lowest is left
    assert flat.edge == "lowest"


def test_noise_is_normal_and_the_same_for_a_seed():
    drawn = normal(7, 20_000)
    np.testing.assert_array_equal(drawn, normal(7, 20_000))
    assert np.abs(drawn - normal(8, 20_000)).mean() > 1
    # four standard errors
    assert abs(drawn.mean()) < 4 / np.sqrt(drawn.size)
    assert abs(drawn.std() - 1) < 4 / np.sqrt(2 * drawn.size)
