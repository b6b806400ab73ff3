"""Whatever is done to a scheduler, in whatever order, ours and torch's stay together."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.schedules.twins import OURS, TORCHS, assert_same, build, edit, optimizer

counts = st.integers(1, 20)
lengths = st.integers(1, 60)
factors = st.floats(0.05, 1.0)
rates = st.floats(0.0, 0.5)

# Every argument is drawn from values that torch's class takes at every step: it divides by zero
# where a ramp of no length is asked for its closed form, and in a first phase of one step.
ARGUMENTS = {
    "LambdaLR": st.fixed_dictionaries({"lr_lambda": st.sampled_from([lambda t: 1 / (t + 1)])}),
    "MultiplicativeLR": st.fixed_dictionaries({"lr_lambda": st.sampled_from([lambda t: 0.9])}),
    "StepLR": st.fixed_dictionaries({"step_size": counts, "gamma": st.floats(0, 1.1)}),
    "MultiStepLR": st.fixed_dictionaries(
        {"milestones": st.lists(st.integers(0, 40), max_size=5), "gamma": st.floats(0, 1.1)}
    ),
    "ConstantLR": st.fixed_dictionaries({"factor": factors, "total_iters": st.integers(0, 30)}),
    "LinearLR": st.fixed_dictionaries(
        {"start_factor": factors, "end_factor": st.floats(0, 1), "total_iters": lengths}
    ),
    "ExponentialLR": st.fixed_dictionaries({"gamma": st.floats(0.1, 1.1)}),
    "PolynomialLR": st.fixed_dictionaries({"total_iters": lengths, "power": st.floats(0, 3)}),
    "CosineAnnealingLR": st.fixed_dictionaries({"T_max": lengths, "eta_min": rates}),
    "CosineAnnealingWarmRestarts": st.fixed_dictionaries(
        {"T_0": counts, "T_mult": st.integers(1, 2), "eta_min": rates}
    ),
    "CyclicLR": st.fixed_dictionaries(
        {
            "base_lr": rates,
            "max_lr": rates,
            "step_size_up": counts,
            "step_size_down": st.none() | counts,
            "mode": st.sampled_from(["triangular", "triangular2", "exp_range"]),
            "gamma": st.floats(0.8, 1.0),
            "cycle_momentum": st.booleans(),
        }
    ),
    "OneCycleLR": st.fixed_dictionaries(
        {
            "max_lr": rates,
            "total_steps": st.integers(110, 200),
            "pct_start": st.sampled_from([0.0, 0.07, 0.25, 0.5, 0.83, 1.0]),
            "anneal_strategy": st.sampled_from(["cos", "linear"]),
            "three_phase": st.booleans(),
            "cycle_momentum": st.booleans(),
        }
    ),
    "SWALR": st.fixed_dictionaries(
        {
            "swa_lr": rates,
            "anneal_epochs": st.integers(0, 30),
            "anneal_strategy": st.sampled_from(["cos", "linear"]),
        }
    ),
}

CALLS = st.one_of(
    st.just(("step", None)),
    st.integers(0, 100).map(lambda epoch: ("step", epoch)),
    st.floats(0.1, 3.0).map(lambda factor: ("edit", factor)),
    st.just(("reload", None)),
    st.just(("swap", None)),
)
HISTORIES = st.lists(CALLS, max_size=25)


def reloaded(module, name, arguments, scheduler):
    states = copy.deepcopy((scheduler.optimizer.state_dict(), scheduler.state_dict()))
    opt = optimizer()
    made = build(module, opt, name, arguments)
    opt.step()
    opt.load_state_dict(states[0])
    made.load_state_dict(states[1])
    return made


def follow(name, arguments, history):
    """Run a history on both, comparing at each call; a swap hands each the other's state."""
    mine, theirs = (
        build(OURS, optimizer(), name, arguments),
        build(TORCHS, optimizer(), name, arguments),
    )
    mine.optimizer.step()
    theirs.optimizer.step()
    assert_same(mine, theirs)
    for call, value in history:
        if call == "step":
            for scheduler in (mine, theirs):
                scheduler.step(*([] if value is None else [value]))
        elif call == "edit":
            edit(mine, value)
            edit(theirs, value)
        elif call == "reload":
            mine = reloaded(OURS, name, arguments, mine)
            theirs = reloaded(TORCHS, name, arguments, theirs)
        else:
            mine, theirs = (
                reloaded(OURS, name, arguments, theirs),
                reloaded(TORCHS, name, arguments, mine),
            )
        assert_same(mine, theirs)


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("name", ARGUMENTS)
@given(data=st.data())
def test_any_history_gives_torchs_values(name, data):
    follow(name, data.draw(ARGUMENTS[name]), data.draw(HISTORIES))


STEPS_ONLY = st.lists(
    CALLS.filter(lambda call: call != ("step", call[1]) or call[1] is None), max_size=25
)
MEMBERS = [name for name in ARGUMENTS if name != "OneCycleLR"]  # which sets keys that others read
member = st.sampled_from(MEMBERS).flatmap(lambda name: st.tuples(st.just(name), ARGUMENTS[name]))


@given(members=st.lists(member, min_size=1, max_size=4), data=st.data(), history=STEPS_ONLY)
def test_any_history_of_a_sequence_gives_torchs_values(members, data, history):
    count = len(members) - 1
    milestones = sorted(data.draw(st.lists(st.integers(0, 15), min_size=count, max_size=count)))
    follow("SequentialLR", dict(members=members, milestones=milestones), history)


@given(members=st.lists(member, min_size=1, max_size=3), history=STEPS_ONLY)
def test_any_history_of_a_chain_gives_torchs_values(members, history):
    # torch begins a CyclicLR that is made beside others at their base rate, ours at its own
    cyclic = [member for member in members if member[0] == "CyclicLR"][:1]
    members = cyclic + [member for member in members if member[0] != "CyclicLR"]
    follow("ChainedScheduler", dict(members=members), history)


# not below 0, where torch takes standing still for getting better
METRICS = st.one_of(
    st.floats(0, 2).map(lambda metric: ("metric", metric)),
    st.sampled_from([("metric", float("inf")), ("reload", 0), ("swap", 0)]),
    st.floats(0.1, 3.0).map(lambda factor: ("edit", factor)),
)


@given(
    arguments=st.fixed_dictionaries(
        {
            "mode": st.sampled_from(["min", "max"]),
            "factor": st.floats(0, 0.95),
            "patience": st.integers(0, 3),
            "threshold": st.sampled_from([0, 1e-4, 0.5, 1]),
            "threshold_mode": st.sampled_from(["rel", "abs"]),
            "cooldown": st.integers(0, 3),
            "min_lr": st.sampled_from([0, 0.01, [0.01, 0.001]]),
            "eps": st.sampled_from([0, 1e-8, 0.01]),
        }
    ),
    history=st.lists(METRICS, max_size=30),
)
def test_any_history_of_a_plateau_gives_torchs_values_and_state(arguments, history):
    name = "ReduceLROnPlateau"
    mine, theirs = (
        build(OURS, optimizer(), name, arguments),
        build(TORCHS, optimizer(), name, arguments),
    )
    for call, value in history:
        if call == "metric":
            mine.step(value)
            theirs.step(value)
        elif call == "edit":
            edit(mine, value)
            edit(theirs, value)
        elif call == "reload":
            mine = reloaded(OURS, name, arguments, mine)
        else:
            mine, theirs = (
                reloaded(OURS, name, arguments, theirs),
                reloaded(TORCHS, name, arguments, mine),
            )
        assert_same(mine, theirs)
        assert mine.state_dict() == theirs.state_dict()
