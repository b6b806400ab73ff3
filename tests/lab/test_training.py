"""One training run: what it learns, measures and reports."""

import math

import pytest

from thalweg.lab.contest import Entry
from thalweg.lab.contestants import enter
from thalweg.lab.digits import load_tasks
from thalweg.lab.network import initial_layers, load_backend
from thalweg.lab.summary import rank, summarize
from thalweg.lab.training import EVALUATE_EVERY, TARGET, Curve, Run, train


def finish(training) -> tuple[list, Run]:
    steps = []
    while True:
        try:
            steps.append(next(training))
        except StopIteration as end:
            return steps, end.value


def run_of(accuracy=0.9, loss=0.5, steps_to_target=None, diverged_at=None, seed=1) -> Run:
    return Run(seed, accuracy, loss, steps_to_target, diverged_at, None, None, Curve())


def entry_of(name, *runs) -> Entry:
    (contestant,) = enter([name], [f"{name}=1"])
    return Entry(contestant, runs=list(runs))


@pytest.fixture(scope="module")
def trained():
    backend = load_backend("mytorch")
    classifier = backend.make_classifier(initial_layers(1))
    optimizer = backend.make_optimizer("Adam", classifier.parameters(), lr=0.003)
    return finish(train(classifier, optimizer, load_tasks()[1], 1, epochs=8, batch_size=64))


def test_adam_reads_the_digits(trained):
    assert trained[1].held_accuracy > TARGET


def test_the_weights_to_look_at_are_scored():
    """Those of Ranger are the slow ones, which with an alpha of zero stay where they begin."""
    backend = load_backend("mytorch")
    classifier = backend.make_classifier(initial_layers(1))
    settings = {"lr": 0.01, "k": 1000, "alpha": 0.0}
    optimizer = backend.make_optimizer("Ranger", classifier.parameters(), **settings)
    _, run = finish(train(classifier, optimizer, load_tasks()[1], 1, epochs=2, batch_size=64))
    assert run.curve.train_loss[-1] < 0.9 * run.curve.train_loss[0]
    assert len(set(run.curve.held_loss)) == 1


def test_it_looks_every_few_steps_and_at_the_end(trained):
    steps, run = trained
    assert [step.step for step in steps] == run.curve.step
    assert run.curve.step == [*range(EVALUATE_EVERY, 152, EVALUATE_EVERY), 152]


def test_steps_to_the_target_are_those_of_the_first_look_above_it(trained):
    curve, reached = trained[1].curve, trained[1].steps_to_target
    first = curve.step.index(reached)
    assert curve.held_accuracy[first] >= TARGET
    assert all(accuracy < TARGET for accuracy in curve.held_accuracy[:first])


def test_the_optimizers_step_is_a_part_of_the_iteration(trained):
    assert 0 < trained[1].step_seconds < trained[1].iteration_seconds


def test_a_run_shorter_than_the_warm_up_has_no_times():
    backend = load_backend("mytorch")
    classifier = backend.make_classifier(initial_layers(1))
    optimizer = backend.make_optimizer("SGD", classifier.parameters(), lr=0.1)
    _, run = finish(train(classifier, optimizer, load_tasks()[1], 1, epochs=1, batch_size=9999))
    assert (run.step_seconds, run.iteration_seconds) == (None, None)


def test_better_accuracy_ranks_first_and_lower_loss_breaks_the_tie():
    entries = [
        entry_of("SGD", run_of(accuracy=0.9, loss=0.3)),
        entry_of("Adam", run_of(accuracy=0.9, loss=0.2)),
        entry_of("AdamW", run_of(accuracy=0.95, loss=0.9)),
        entry_of("RAdam"),
    ]
    assert [entry.name for entry, _ in rank(entries)] == ["AdamW", "Adam", "SGD"]


def test_spreads_are_over_seeds_and_one_seed_has_none():
    both = summarize(entry_of("Adam", run_of(accuracy=0.9), run_of(accuracy=0.8, seed=2)))
    assert both.test_accuracy == pytest.approx((0.85, math.sqrt(0.005)))
    assert summarize(entry_of("Adam", run_of())).test_accuracy.std is None


def test_a_diverged_seed_makes_the_mean_loss_infinite():
    diverged = run_of(loss=math.inf, diverged_at=3, seed=2)
    summary = summarize(entry_of("Adam", run_of(), diverged))
    assert summary.test_loss == (math.inf, None)
    assert summary.diverged == 1


def test_steps_to_the_target_are_averaged_over_the_seeds_that_reached_it():
    summary = summarize(entry_of("Adam", run_of(steps_to_target=40), run_of(seed=2)))
    assert (summary.steps_to_target, summary.reached_target) == ((40, None), 1)
    assert summarize(entry_of("Adam", run_of())).steps_to_target is None
