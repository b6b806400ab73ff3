"""The comparison is fair: same start, same batches, same grid, and no peeking at the test."""

import math
from contextlib import nullcontext

import numpy as np
import pytest

from thalweg.lab.contest import GRID, TUNING_SEED, Contest, Entry, Trial
from thalweg.lab.contestants import Budget, enter
from thalweg.lab.digits import load_tasks
from thalweg.lab.network import SIZES, initial_layers
from thalweg.lab.training import Run

BUDGET = Budget(seeds=2, epochs=1, batch_size=400)


class Recorder:
    """A backend that learns nothing and remembers what it was shown."""

    def __init__(self, loss=lambda lr: 1.0):
        self.loss = loss
        self.trainings = []

    def make_classifier(self, layers):
        self.trainings.append({"layers": layers, "batches": [], "scored": []})
        return self

    def make_optimizer(self, name, parameters, lr, **settings):
        self.trainings[-1] |= {"name": name, "lr": lr, "settings": settings}
        return self

    def use_threads(self, count):
        pass

    def parameters(self):
        return []

    def step(self):
        pass

    def evaluation(self):
        return nullcontext()

    def backward(self, images, labels):
        self.trainings[-1]["batches"].append(images)
        return self.loss(self.trainings[-1]["lr"])

    def logits(self, images):
        self.trainings[-1]["scored"].append(images)
        return np.zeros((len(images), SIZES[-1]))


@pytest.fixture(scope="module")
def tasks():
    return load_tasks()


@pytest.fixture
def played(tasks):
    recorder = Recorder()
    contest = Contest(enter(["sgd", "adam"], []), BUDGET, recorder, tasks)
    for _ in contest.play():
        pass
    return contest, recorder.trainings


def rows(images) -> set[bytes]:
    return {row.tobytes() for row in np.concatenate(images)}


def of_seed(trainings, number):
    """The trainings of both optimizers with one seed, after all the tuning."""
    after = trainings[2 * len(GRID) :]
    return after[2 * number], after[2 * number + 1]


def test_a_third_is_held_out_and_the_parts_do_not_overlap(tasks):
    tuning, final = tasks
    assert len(final.held_labels) == round(1797 / 3)
    assert len(final.labels) + len(final.held_labels) == 1797
    assert len(tuning.labels) + len(tuning.held_labels) == len(final.labels)
    for task in tasks:
        assert not rows([task.images]) & rows([task.held_images])


def test_every_class_is_held_out_in_proportion(tasks):
    for task in tasks:
        share = len(task.held_labels) / (len(task.labels) + len(task.held_labels))
        held, rest = np.bincount(task.held_labels), np.bincount(task.labels)
        assert held == pytest.approx(share * (held + rest), abs=1)


def test_tuning_never_sees_a_test_image(played, tasks):
    test = rows([tasks[1].held_images])
    for training in played[1][: 2 * len(GRID)]:
        assert not rows(training["batches"]) & test
        assert not rows(training["scored"]) & test


def test_all_optimizers_start_from_the_same_weights(played):
    for number in range(BUDGET.seeds):
        first, second = of_seed(played[1], number)
        for (weight, bias), (other_weight, other_bias) in zip(
            first["layers"], second["layers"], strict=True
        ):
            assert np.array_equal(weight, other_weight)
            assert np.array_equal(bias, other_bias)


def test_all_optimizers_see_the_same_batches(played):
    for number in range(BUDGET.seeds):
        first, second = of_seed(played[1], number)
        for batch, other in zip(first["batches"], second["batches"], strict=True):
            assert np.array_equal(batch, other)


def test_seeds_differ_in_weights_and_batches(played):
    first, second = of_seed(played[1], 0)[0], of_seed(played[1], 1)[0]
    assert not np.array_equal(first["layers"][0][0], second["layers"][0][0])
    assert not np.array_equal(first["batches"][0], second["batches"][0])


def test_an_epoch_shows_every_training_image_once(played, tasks):
    shown = np.concatenate(of_seed(played[1], 0)[0]["batches"])
    assert len(shown) == len(tasks[1].labels)
    assert rows([shown]) == rows([tasks[1].images])


def test_sgd_gets_its_momentum_and_adam_its_defaults(played):
    sgd, adam = of_seed(played[1], 0)
    assert (sgd["name"], sgd["settings"]) == ("SGD", {"momentum": 0.9})
    assert (adam["name"], adam["settings"]) == ("Adam", {})


def test_a_given_learning_rate_costs_no_tuning(tasks):
    recorder = Recorder()
    contest = Contest(enter(["adam"], ["adam=0.5"]), BUDGET, recorder, tasks)
    assert contest.total == BUDGET.seeds
    list(contest.play())
    assert [training["lr"] for training in recorder.trainings] == [0.5, 0.5]


def test_stopping_early_keeps_what_was_finished(tasks):
    contest = Contest(enter(["sgd", "adam"], ["sgd=1", "adam=1"]), BUDGET, Recorder(), tasks)
    for event in contest.play():
        if isinstance(event, Run):
            break
    assert [len(entry.runs) for entry in contest.entries] == [1, 0]
    assert contest.finished == 1


@pytest.mark.parametrize("loss", [math.inf, math.nan])
def test_a_loss_that_is_not_finite_ends_the_run_as_a_result(loss, tasks):
    recorder = Recorder(lambda lr: loss)
    contest = Contest(enter(["adam"], []), BUDGET, recorder, tasks)
    list(contest.play())
    (entry,) = contest.entries
    assert [run.diverged_at for run in entry.runs] == [1, 1]
    assert all(run.held_loss == math.inf for run in entry.runs)
    assert entry.lr == GRID[0]


@pytest.mark.parametrize(
    ("losses", "lr", "edge"),
    [
        ([3, 2, 1, 2, 3, 4, 5, 6, 7], GRID[2], None),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], GRID[0], "lowest"),
        ([9, 8, 7, 6, 5, 4, 3, 2, 1], GRID[-1], "highest"),
        ([3, 2, math.inf, 1, 3, 4, 5, 6, math.inf], GRID[3], None),
    ],
)
def test_the_lowest_validation_loss_decides_and_an_edge_is_noticed(losses, lr, edge):
    (contestant,) = enter(["adam"], [])
    trials = [Trial(rate, 0.5, loss, None) for rate, loss in zip(GRID, losses, strict=True)]
    entry = Entry(contestant, trials)
    assert (entry.lr, entry.edge) == (lr, edge)


def test_no_learning_rate_is_chosen_before_all_were_tried():
    (contestant,) = enter(["adam"], [])
    assert Entry(contestant, [Trial(0.1, 0.5, 1.0, None)]).lr is None


def test_the_evaluation_seeds_leave_out_the_tuning_seed(played):
    seeds = [run.seed for entry in played[0].entries for run in entry.runs]
    assert seeds == [1, 2, 1, 2]
    assert TUNING_SEED not in seeds


def test_a_seed_draws_the_same_weights_each_time():
    for (weight, _), (again, _) in zip(initial_layers(7), initial_layers(7), strict=True):
        assert np.array_equal(weight, again)


def test_names_are_taken_once_in_the_order_given():
    assert [each.name for each in enter(["Ranger", "ADAM", "adam"], [])] == ["Ranger", "Adam"]
