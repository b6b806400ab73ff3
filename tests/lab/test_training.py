"""One training run: what it learns, measures and reports."""

import math

import numpy as np
import pytest

from tests.lab.made import contest, fill, outcome
from thalweg.lab.errors import UserError
from thalweg.lab.summary import rank, summarize, target_of, verdict_of
from thalweg.lab.tasks.builtin import open_task
from thalweg.lab.training import LOOKS, Outcome, train


def finish(training) -> tuple[list, Outcome]:
    steps = []
    while True:
        try:
            steps.append(next(training))
        except StopIteration as end:
            return steps, end.value


def trained_with(optimizer, task=None, epochs=1, **settings):
    return finish(train(task or open_task(), optimizer, settings, 1, epochs))


@pytest.fixture(scope="module")
def trained():
    task = open_task("digits", "mlp", "mytorch", 64)
    return finish(train(task, "Adam", {"lr": 0.003}, 1, 12, looks_at_test=True))


def test_adam_reads_the_digits(trained):
    assert trained[1].test_metric > 0.93
    assert trained[1].curve.validation_metric[-1] > 0.93


def test_it_looks_as_often_as_it_should_and_at_the_end(trained):
    steps, run = trained
    assert [step.step for step in steps] == run.curve.step
    assert len(run.curve.step) == LOOKS
    assert run.curve.step[-1] == steps[-1].steps == 12 * 14  # 898 images in batches of 64


def test_a_short_training_is_looked_at_after_each_step():
    _, run = trained_with("SGD", open_task(batch_size=400), lr=0.1)
    assert run.curve.step == [1, 2]


def test_the_weights_to_look_at_are_scored():
    """Those of Ranger are the slow ones, which with an alpha of zero stay where they begin."""
    _, run = trained_with("Ranger", epochs=2, lr=0.01, k=1000, alpha=0.0)
    assert run.curve.train_loss[-1] < 0.9 * run.curve.train_loss[0]
    assert len(set(run.curve.validation_loss)) == 1


def test_the_optimizers_step_is_a_part_of_the_iteration(trained):
    assert 0 < trained[1].step_seconds < trained[1].iteration_seconds


def test_the_seconds_are_those_of_the_iterations_so_far(trained):
    seconds = trained[1].curve.seconds
    assert np.all(np.diff(seconds) > 0)
    assert seconds[-1] > 100 * trained[1].iteration_seconds


def test_adam_keeps_two_numbers_for_each_weight(trained):
    weights = 64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10
    assert trained[1].weight_count == weights
    assert trained[1].state_bytes == 8 * weights


def test_a_run_shorter_than_the_warm_up_has_no_times():
    _, run = trained_with("SGD", open_task(batch_size=400), lr=0.1)
    assert (run.step_seconds, run.iteration_seconds) == (None, None)


def test_a_schedule_is_followed_over_the_whole_training():
    task = open_task(batch_size=64)
    training = train(task, "SGD", {"lr": 0.5}, 1, 1, "warmup(4) >> cosine(steps - 4)")
    rates = finish(training)[1].curve.lr
    assert rates[0] == 0.0  # the first step of a warm-up
    assert rates[4] == 0.5
    assert 0 < rates[13] < 0.05


def test_a_rate_that_nothing_survives_is_a_result():
    _, run = trained_with("SGD", lr=1e30)
    assert run.diverged_at is not None
    assert run.validation_loss == math.inf


def test_a_training_that_is_given_up_says_when():
    training = train(open_task(), "SGD", {"lr": 0.1}, 1, 1, None, lambda curve: len(curve.step) > 2)
    _, run = finish(training)
    assert run.pruned_at == run.curve.step[-1] == 3


def test_what_an_optimizer_refuses_is_a_sentence():
    with pytest.raises(UserError, match=r"^Adam cannot take part: Adam: lr must be"):
        trained_with("Adam", lr=-1.0)


# What is drawn together of several.


def test_better_accuracy_ranks_first_and_lower_loss_breaks_the_tie():
    made = contest(sgd=[0.9], adam=[0.9], adamw=[0.95])
    for label, loss in (("SGD", 0.3), ("Adam", 0.2)):
        fill(made, label, [outcome(0.9, loss)])
    assert [entry.label for entry, _ in rank(made)] == ["AdamW", "Adam", "SGD"]


def summary(*outcomes):
    made = contest(adam=[0.9] * len(outcomes))
    fill(made, "Adam", list(outcomes))
    return summarize(made.entry("Adam"), made.task, target_of(made))


def test_spreads_are_over_seeds_and_one_seed_has_none():
    both = summary(outcome(0.9), outcome(0.8))
    assert both.test_metric.mean == pytest.approx(0.85)
    assert both.test_metric.std == pytest.approx(math.sqrt(0.005))
    assert both.test_metric.half == pytest.approx(12.706 * math.sqrt(0.005 / 2), rel=1e-4)
    assert summary(outcome()).test_metric[1:] == (None, None)


def test_a_diverged_seed_makes_the_mean_loss_infinite():
    found = summary(outcome(), outcome(diverged_at=3))
    assert found.test_loss == (math.inf, None, None)
    assert found.diverged == 1


def test_steps_to_the_target_are_averaged_over_the_seeds_that_reached_it():
    found = summary(outcome(reached=10), outcome(reached=None))
    assert (found.steps_to_target.mean, found.reached_target) == (10, 1)
    assert found.seconds_to_target.mean == 0.2
    assert summary(outcome()).steps_to_target is None


def test_a_diverged_run_takes_its_optimizer_out_of_the_verdict():
    made = contest(adam=[0.9, 0.9], sgd=[0.99, 0.99])
    fill(made, "SGD", [outcome(0.99), outcome(0.99, diverged_at=7)])
    assert verdict_of(made).left_out == ["SGD"]
