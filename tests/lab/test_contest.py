"""The comparison is fair: same start, same batches, same search, and no peeking at the test."""

import math

import numpy as np
import pytest

from tests.lab.made import outcome
from thalweg.lab.comparing import compared
from thalweg.lab.contest import Budget, Contest, Unit
from thalweg.lab.contestants import enter
from thalweg.lab.playing import Clock, play
from thalweg.lab.search import GRID, search_of
from thalweg.lab.specification import read
from thalweg.lab.summary import verdict_of
from thalweg.lab.tasks.builtin import open_task
from thalweg.lab.tasks.layers import first_layers
from thalweg.lab.tasks.tables import open_table
from thalweg.lab.training import Curve, Outcome
from thalweg.lab.work import Source, request

SOURCE = Source("digits", "mlp", "mytorch", 400)
BUDGET = Budget(seeds=2, epochs=1, batch_size=400)


def contest(*texts: str, budget: Budget = BUDGET, rates: tuple[str, ...] = ()) -> Contest:
    return Contest(enter(list(texts), list(rates)), budget, open_task())


def tried(loss: float) -> Outcome:
    """A trial that ends with a validation loss."""
    return outcome(loss=loss, diverged_at=None if math.isfinite(loss) else 5)


def search(made: Contest, label: str, losses) -> None:
    """Do all trials of an entry, whose losses are a function of the setting."""
    entry = made.entry(label)
    while numbers := list(entry.ready_trials()):
        for number in numbers:
            loss = losses(entry.trial_setting(number))
            made.take(Unit(label, "trial", number), tried(loss))


def valley(best: float):
    return lambda setting: abs(math.log10(setting["lr"] / best)) + 0.1


class Kept:
    """A ledger that remembers in which order units were taken on."""

    def __init__(self):
        self.claimed = []

    def news(self):
        return []

    def claim(self, unit):
        self.claimed.append(unit)
        return True

    def record(self, record):
        pass

    def release(self):
        pass


@pytest.fixture(scope="module")
def played():
    made, ledger = contest("sgd", "adam"), Kept()
    for _ in play(made, SOURCE, ledger):
        pass
    return made, ledger


@pytest.fixture(scope="module")
def table():
    return open_table("digits")


def rows(images) -> set[bytes]:
    return {row.tobytes() for row in images}


def test_a_third_is_held_out_and_the_parts_do_not_overlap(table):
    parts = [table.train, table.validation, table.test]
    assert len(table.test.targets) == round(1797 / 3)
    assert sum(len(part.targets) for part in parts) == 1797
    seen = [rows(part.inputs) for part in parts]
    assert not seen[0] & seen[1] | seen[0] & seen[2] | seen[1] & seen[2]


def test_every_class_is_held_out_in_proportion(table):
    for part in (table.validation, table.test):
        held, rest = np.bincount(part.targets), np.bincount(table.train.targets)
        share = len(part.targets) / (len(part.targets) + len(table.train.targets))
        assert np.allclose(held / (held + rest), share, atol=0.02)


def test_all_start_a_seed_from_the_same_weights_and_see_the_same_batches():
    one, other = (open_task(backend="mytorch").start(3) for _ in range(2))
    for first, second in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert np.array_equal(first.numpy(), second.numpy())
    for _ in range(2):
        for (images, _), (same, _) in zip(one.train, other.train, strict=True):
            assert np.array_equal(images, same)


def test_another_seed_has_other_weights_and_another_order():
    one, other = open_task().start(3), open_task().start(4)
    assert not np.array_equal(next(iter(one.train))[1], next(iter(other.train))[1])
    first, second = (first_layers("mlp", (64,), 10, seed)[1] for seed in (3, 4))
    assert not np.array_equal(first.weight, second.weight)


def test_everybody_tries_the_same_rates_and_the_search_comes_first(played):
    made, ledger = played
    kinds = [unit.kind for unit in ledger.claimed]
    assert kinds == sorted(kinds, key=["trial", "run"].index)
    for entry in made.entries:
        within = [entry.trials[number].lr for number in range(len(GRID))]
        assert sorted(within) == list(GRID)


def test_the_optimizers_take_turns(played):
    runs = [(unit.number, unit.label) for unit in played[1].claimed if unit.kind == "run"]
    assert runs == [(1, "SGD"), (1, "Adam"), (2, "SGD"), (2, "Adam")]


def test_the_evaluation_seeds_leave_out_the_tuning_seed(played):
    made = played[0]
    assert [list(entry.runs) for entry in made.entries] == [[1, 2], [1, 2]]
    assert made.budget.seed == 0


def test_the_test_split_is_looked_at_in_runs_alone(played):
    made = played[0]
    for entry in made.entries:
        assert all(trial.outcome.test_loss is None for trial in entry.trials.values())
        assert all(run.outcome.test_loss is not None for run in entry.runs.values())


def test_sgd_has_momentum_and_adam_its_defaults():
    made = contest("sgd", "adam", rates=("0.1",))
    given = [request(made, SOURCE, Unit(one.label, "run", 1)).settings for one in made.entries]
    assert given == [{"momentum": 0.9, "lr": 0.1}, {"lr": 0.1}]


def test_what_is_given_for_sgd_stays():
    made = contest("sgd(momentum=0, lr=0.1)")
    (entry,) = made.entries
    assert entry.contestant.settings({}) == {"momentum": 0, "lr": 0.1}


def test_a_given_learning_rate_costs_no_tuning():
    made = contest("adam", rates=("adam=0.5",))
    assert made.total == BUDGET.seeds
    assert [unit.kind for unit in made.ready()] == ["run", "run"]
    assert made.entry("Adam").lr == 0.5


def test_names_are_taken_once_in_the_order_given():
    assert [one.label for one in enter(["Ranger", "ADAM", "adam"], [])] == ["Ranger", "Adam"]


def test_two_of_one_name_are_told_apart_by_what_differs():
    labels = [one.label for one in enter(["ranger", "ranger(k=5)", "adam(lr=1)", "adam"], [])]
    assert labels == ["Ranger", "Ranger(k=5)", "Adam(lr=1)", "Adam(lr=searched)"]


def test_one_rate_for_all_gives_way_to_one_in_brackets_or_by_name():
    entered = enter(["adam", "sgd(lr=0.1)", "ranger"], ["0.01", "ranger=0.5"])
    assert [one.lr for one in entered] == [0.01, 0.1, 0.5]


# The search.


@pytest.mark.parametrize("best", [0.001, 0.03, 0.1])
def test_the_lowest_validation_loss_decides(best):
    made = contest("adam")
    assert made.entry("Adam").lr is None
    search(made, "Adam", valley(best))
    assert made.entry("Adam").lr == best
    assert made.entry("Adam").edge is None


@pytest.mark.parametrize(
    ("best", "further", "chosen"),
    [(1.0, [3.0, 10.0], 1.0), (3.0, [3.0, 10.0], 3.0), (2e-5, [3e-5, 1e-5], 3e-5)],
)
def test_a_best_at_the_edge_widens_the_range_once(best, further, chosen):
    made = contest("adam")
    search(made, "Adam", valley(best))
    entry = made.entry("Adam")
    assert [one["lr"] for one in entry.further()] == further
    assert len(entry.trials) == entry.trial_count == len(GRID) + 2
    assert entry.lr == chosen


def test_a_best_beyond_the_widened_range_is_told_and_not_followed():
    made = contest("adam")
    search(made, "Adam", valley(1e3))
    entry = made.entry("Adam")
    assert (entry.lr, entry.edge, len(entry.trials)) == (10.0, "highest", len(GRID) + 2)


def test_where_all_diverge_the_lowest_rate_is_taken():
    made = contest("adam")
    search(made, "Adam", lambda setting: math.inf)
    entry = made.entry("Adam")
    assert (entry.lr, len(entry.trials)) == (GRID[0], len(GRID))


def test_with_tune_all_have_as_many_trials_and_the_same_first_rates():
    made = contest("adam", "sgd(momentum=0.5..0.95)", budget=BUDGET._replace(trials=12))
    for entry in made.entries:
        search(made, entry.label, valley(0.01))
    adam, sgd = made.entries
    assert len(adam.trials) == len(sgd.trials) == 12
    first = range(adam.search.first)
    assert [adam.trials[i].lr for i in first] == [sgd.trials[i].lr for i in first]
    assert all(0.5 <= trial.setting["momentum"] <= 0.95 for trial in sgd.trials.values())


def test_the_first_half_of_a_search_fills_its_range():
    space = search_of(read("adam(betas=(0.8..0.9, 0.999))"), 64)
    shares = np.array(
        [
            [space.space[name].share(value) for name, value in space.setting(number).items()]
            for number in range(32)
        ]
    )
    for column in shares.T:
        assert np.bincount((column * 8).astype(int), minlength=8).min() >= 2
    assert len(set(map(tuple, (shares * 3).astype(int)))) == 9


def test_the_second_half_goes_where_the_first_did_well():
    made = contest("adam", budget=BUDGET._replace(trials=24))
    search(made, "Adam", valley(0.003))
    trials = made.entry("Adam").trials
    near = [abs(math.log10(trials[number].lr / 0.003)) < 1 for number in range(12, 24)]
    assert sum(near) >= 9


def test_the_second_half_is_the_same_in_whatever_order_the_first_was_done():
    def second(order):
        made = contest("adam", budget=BUDGET._replace(trials=10))
        entry = made.entry("Adam")
        for number in order(list(entry.ready_trials())):
            loss = valley(0.01)(entry.trial_setting(number))
            made.take(Unit("Adam", "trial", number), tried(loss))
        return [entry.trial_setting(number) for number in entry.ready_trials()]

    assert second(list) == second(lambda numbers: numbers[::-1])


def test_a_trial_worse_than_the_middle_one_is_given_up():
    from thalweg.lab.tuning import hopeless

    def curve(loss):
        return Curve(list(range(8)), [], [], [], [loss] * 8, [])

    is_hopeless = hopeless([({}, curve(loss)) for loss in (1.0, 2.0, 3.0, 4.0, 5.0)])
    seen, given_up = Curve(), []
    for step, loss in enumerate([9.0, 9.0, 9.0, 2.0]):
        seen.step.append(step)
        seen.validation_loss.append(loss)
        given_up.append(is_hopeless(seen))
    assert given_up == [False, True, True, False]  # the first look is spared


def test_a_pruned_trial_is_never_chosen():
    made = contest("adam", budget=BUDGET._replace(trials=6))
    search(made, "Adam", valley(0.01))
    entry = made.entry("Adam")
    pruned = tried(1e-9)
    pruned.pruned_at = 5
    made.take(Unit("Adam", "trial", 5), pruned)
    assert entry.best_trial.number != 5


def test_a_search_that_is_closed_early_is_decided_by_as_many_trials_of_each():
    made = contest("adam", "sgd")
    for number, loss in ((0, 3.0), (1, 2.0), (2, 1.0)):
        made.take(Unit("Adam", "trial", number), tried(loss))
    for number, loss in ((0, 3.0), (1, 2.0)):
        made.take(Unit("SGD", "trial", number), tried(loss))
    assert made.close_tuning() == 2
    assert [entry.best_trial.number for entry in made.entries] == [1, 1]
    assert [unit.kind for unit in made.ready()] == ["run"] * 4


def test_a_search_of_which_somebody_has_seen_nothing_is_not_closed():
    made = contest("adam", "sgd")
    made.take(Unit("Adam", "trial", 0), tried(1.0))
    assert made.close_tuning() is None


# The time that a comparison may take.


class Ticking(Clock):
    """A clock that goes on by a second whenever somebody looks at it."""

    def __init__(self, budget):
        super().__init__(budget)
        self.looked = 0

    @property
    def seconds(self):
        self.looked += 1
        return self.looked


def test_half_of_the_time_at_most_goes_into_the_search():
    made = contest("sgd", "adam", rates=(), budget=BUDGET._replace(seeds=99))
    for _ in play(made, SOURCE, Kept(), clock=Ticking(120)):
        pass
    assert all(0 < entry.closed < len(GRID) for entry in made.entries)
    assert all(len(entry.runs) > 1 for entry in made.entries)
    assert not made.is_over


def test_nothing_is_begun_when_the_time_is_over():
    made = contest("adam")
    clock = Ticking(0.5)
    assert list(play(made, SOURCE, Kept(), clock=clock)) == []
    assert made.finished == 0


def test_from_python_it_is_one_call_with_plain_data_at_its_end():
    made = compared(["adam", "sgd"], lr=["0.1"], budget=BUDGET)
    assert made.is_over
    assert verdict_of(made).seeds == 2
    assert all(isinstance(run.outcome, Outcome) for run in made.entry("Adam").runs.values())
