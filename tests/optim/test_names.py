"""States go by name where both sides have names: whatever the order, the groups and the file."""

import copy

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import (
    APART,
    OURS,
    TWINS,
    assert_close,
    assert_same,
    give_gradients,
    having,
    numbers,
    ours,
    reloaded,
    torchs,
    values,
    walk,
)

NAMES = ["a.weight", "a.bias", "b.weight", "b.bias", "c.scale"]
# all alike: what lands on the wrong parameter must not be found out by its shape
SHAPE = (3, 2)


def model(names=NAMES) -> dict[str, Parameter]:
    return {name: Parameter(numbers(SHAPE, NAMES.index(name))) for name in names}


def step(opt, params: dict[str, Parameter], t: int) -> None:
    """A step whose gradients depend on the name, and not on the order."""
    for name, p in params.items():
        p.grad = numbers(SHAPE, 1000 * (t + 1) + NAMES.index(name))
    opt.step()


def trained(make, name, names=NAMES, steps=4, **settings):
    params = model(names)
    opt = make(name, list(params.items()), **settings)
    for t in range(steps):
        step(opt, params, t)
    return params, opt


def copies(params: dict[str, Parameter], order) -> dict[str, Parameter]:
    return {name: Parameter(params[name].detach().clone()) for name in order}


def assert_goes_on(name, found, want):
    """The same, or but for the order in which all tensors' sums are added up."""
    if name in APART:
        assert_same(found, want)
    for one, other in zip(found, want, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)


ORDERS = [NAMES[::-1], sorted(NAMES), [*NAMES[2:], *NAMES[:2]]]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", OURS)
def test_a_run_goes_on_in_another_order_of_parameters(name, order):
    want, whole = trained(ours, name)
    params = copies(want, order)
    opt = ours(name, list(params.items()))
    opt.load_state_dict(reloaded(whole.state_dict()))
    for t in range(4, 8):
        step(whole, want, t)
        step(opt, params, t)
    assert_goes_on(name, [params[n] for n in NAMES], want.values())


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("name", TWINS)
def test_a_named_file_of_torchs_goes_on_in_another_order(name):
    want, whole = trained(torchs, name)
    params = copies(want, ORDERS[0])
    opt = ours(name, list(params.items()))
    opt.load_state_dict(reloaded(whole.state_dict()))
    for t in range(4, 8):
        step(whole, want, t)
        step(opt, params, t)
    assert_close([params[n] for n in NAMES], want.values())


def test_torch_gives_a_reordered_parameter_the_momentum_of_another():
    """pytorch#1489, open since 2017; if it is closed, the docstrings have to hear of it."""
    want, whole = trained(torchs, "SGD")
    params = copies(want, ORDERS[0])
    opt = torchs("SGD", list(params.items()))
    opt.load_state_dict(whole.state_dict())
    first, last = NAMES[0], NAMES[-1]
    assert_same(
        [opt.state[params[last]]["momentum_buffer"]], [whole.state[want[first]]["momentum_buffer"]]
    )


@pytest.mark.parametrize("name", TWINS)
def test_our_named_file_is_read_by_torch(name):
    want, whole = trained(ours, name)
    params = copies(want, NAMES)
    opt = torchs(name, list(params.items()))
    opt.load_state_dict(reloaded(whole.state_dict()))
    assert opt.param_groups[0]["param_names"] == NAMES
    for n in NAMES:
        assert opt.state[params[n]].keys() == whole.state[want[n]].keys()


def in_groups(params, *groups, **settings):
    return [{"params": [(n, params[n]) for n in names], **settings} for names in groups]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([NAMES], [NAMES[:2], NAMES[2:]]),
        ([NAMES[:2], NAMES[2:]], [NAMES]),
        ([NAMES[:1], NAMES[1:]], [NAMES[3:], NAMES[:3]]),
        ([NAMES[::2], NAMES[1::2]], [NAMES[:1], NAMES[1:4], NAMES[4:]]),
    ],
    ids=["one into two", "two into one", "cut elsewhere", "two into three"],
)
def test_states_go_by_name_across_groups(before, after):
    want = model()
    whole = ours("AdamW", in_groups(want, *before))
    for t in range(4):
        step(whole, want, t)
    params = copies(want, NAMES)
    opt = ours("AdamW", in_groups(params, *after))
    opt.load_state_dict(reloaded(whole.state_dict()))
    assert [group["param_names"] for group in opt.param_groups] == after
    for t in range(4, 8):
        step(whole, want, t)
        step(opt, params, t)
    assert_same(params.values(), want.values())


def test_a_group_takes_the_settings_of_the_group_with_its_names():
    params = model()
    groups = in_groups(params, NAMES[:2], NAMES[2:])
    groups[0]["lr"], groups[1]["lr"] = 0.1, 0.2
    saved = optim.SGD(groups).state_dict()
    opt = optim.SGD(in_groups(model(), NAMES[2:], NAMES[:2]), lr=7.0)
    opt.load_state_dict(saved)
    assert [group["lr"] for group in opt.param_groups] == [0.2, 0.1]


def test_groups_without_a_twin_take_the_settings_of_those_in_their_place():
    """The names have moved between the groups; the number of groups is the same."""
    groups = in_groups(model(), NAMES[:2], NAMES[2:])
    groups[0]["lr"], groups[1]["lr"] = 0.1, 0.2
    opt = optim.SGD(in_groups(model(), NAMES[:3], NAMES[3:]), lr=7.0)
    opt.load_state_dict(optim.SGD(groups).state_dict())
    assert [group["lr"] for group in opt.param_groups] == [0.1, 0.2]


@pytest.mark.parametrize("name", OURS)
def test_missing_and_unexpected_names_are_an_error_that_lists_them(name):
    _, whole = trained(ours, name, ["a.weight", "b.weight", "b.bias"])
    params, opt = trained(ours, name, ["a.weight", "a.bias", "c.scale"], steps=2)
    before, kept = values(params.values()), copy.deepcopy(opt.state_dict())
    with pytest.raises(RuntimeError) as error:
        opt.load_state_dict(whole.state_dict())
    assert str(error.value) == (
        f"{name}.load_state_dict: the file must hold the optimizer's own parameters; "
        "missing in it: 'a.bias', 'c.scale'; unexpected in it: 'b.bias', 'b.weight'; "
        "strict=False takes what fits"
    )
    assert_same(params.values(), before)
    assert opt.state_dict()["param_groups"] == kept["param_groups"]
    for i, held in kept["state"].items():
        assert_same(opt.state_dict()["state"][i].values(), held.values())


@pytest.mark.parametrize(
    ("saved", "live", "words"),
    [
        (NAMES, NAMES[:-1], "missing in it: none; unexpected in it: 'c.scale'"),
        (NAMES[:-1], NAMES, "missing in it: 'c.scale'; unexpected in it: none"),
    ],
)
def test_one_side_with_more_names_than_the_other_is_an_error(saved, live, words):
    with pytest.raises(RuntimeError, match=words):
        trained(ours, "SGD", live)[1].load_state_dict(trained(ours, "SGD", saved)[1].state_dict())


@pytest.mark.parametrize("name", APART)
def test_without_strict_what_fits_is_taken_and_the_rest_starts_anew(name):
    """A new head on an old body."""
    old, whole = trained(ours, name, ["a.weight", "a.bias", "b.weight"])
    params = copies(old, ["a.bias", "a.weight"]) | model(["c.scale"])
    opt = ours(name, list(params.items()))
    with pytest.warns(UserWarning, match="took the states of 2 of the optimizer's 3 parameters"):
        opt.load_state_dict(reloaded(whole.state_dict()), strict=False)
    plain = model(["c.scale"])
    fresh = ours(name, list(plain.items()))
    for t in range(4, 7):
        step(whole, old, t)
        step(opt, params, t)
        step(fresh, plain, t)
    assert_same(
        [params["a.weight"], params["a.bias"], params["c.scale"]],
        [old["a.weight"], old["a.bias"], plain["c.scale"]],
    )


def test_strict_is_as_for_modules_by_position_and_by_keyword():
    saved = trained(ours, "Adam", NAMES[:3])[1].state_dict()
    for load in (
        lambda opt: opt.load_state_dict(saved, False),
        lambda opt: opt.load_state_dict(saved, strict=False),
        lambda opt: opt.load_state_dict(state_dict=saved, strict=False),
    ):
        opt = trained(ours, "Adam", NAMES)[1]
        with pytest.warns(UserWarning, match="strict=False took the states of 3 of"):
            load(opt)
        assert [bool(s) for s in opt.state_dict()["state"].values()] == [True] * len(NAMES)


@pytest.mark.parametrize("named", ["file", "optimizer"])
@pytest.mark.parametrize("name", ["SGD", "AdamW", "Ranger"])
def test_names_on_one_side_only_go_by_position_as_in_torch(name, named):
    want = model()
    whole = ours(name, list(want.items()) if named == "file" else list(want.values()))
    for t in range(3):
        step(whole, want, t)
    params = copies(want, NAMES)
    opt = ours(name, list(params.items()) if named == "optimizer" else list(params.values()))
    opt.load_state_dict(reloaded(whole.state_dict()))
    for t in range(3, 6):
        step(whole, want, t)
        step(opt, params, t)
    assert_same(params.values(), want.values())


def test_names_on_one_side_only_must_agree_in_number_as_in_torch():
    saved = ours("Adam", list(model().values())).state_dict()
    with pytest.raises(ValueError, match="doesn't match the size"):
        ours("Adam", list(model(NAMES[:3]).items())).load_state_dict(saved)


def test_names_that_come_twice_go_by_position():
    """Two models in one optimizer, as a GAN's halves: their names say nothing."""
    first, second = model(), model()
    whole = ours("AdamW", [*first.items(), *second.items()])
    for t in range(3):
        step(whole, first, t)
    for p in second.values():
        p.grad = None
    one, other = copies(first, NAMES), copies(second, NAMES)
    opt = ours("AdamW", [*one.items(), *other.items()])
    opt.load_state_dict(reloaded(whole.state_dict()))
    step(whole, first, 3)
    step(opt, one, 3)
    assert_same(one.values(), first.values())
    assert not any(opt.state.get(p) for p in other.values())


def test_states_by_name_reach_only_parameters_that_have_one():
    """A parameter that was never stepped has a name in the file and no state."""
    want = model()
    whole = ours("Adam", list(want.items()))
    want["b.weight"].grad = numbers(SHAPE, 1)
    whole.step()
    params = copies(want, ORDERS[0])
    opt = ours("Adam", list(params.items()))
    opt.load_state_dict(reloaded(whole.state_dict()))
    assert [n for n in NAMES if opt.state.get(params[n])] == ["b.weight"]


def test_loading_by_name_leaves_the_given_dictionary_alone():
    _, whole = trained(ours, "AdamW")
    saved = reloaded(whole.state_dict())
    kept = copy.deepcopy(saved)
    ours("AdamW", list(model(ORDERS[0]).items())).load_state_dict(saved)
    assert saved["param_groups"] == kept["param_groups"]
    assert list(saved["state"]) == list(kept["state"])


def test_a_users_hook_renames_before_the_names_are_compared():
    """As for files of a model that was a part of another."""
    want, whole = trained(ours, "AdamW")
    saved = reloaded(whole.state_dict())
    for group in saved["param_groups"]:
        group["param_names"] = [f"net.{n}" for n in group["param_names"]]
    params = copies(want, ORDERS[0])
    opt = ours("AdamW", list(params.items()))
    with pytest.raises(RuntimeError, match=r"unexpected in it: 'net\.a\.bias'"):
        opt.load_state_dict(saved)

    def unwrap(it, given):
        groups = [
            {**g, "param_names": [n.removeprefix("net.") for n in g["param_names"]]}
            for g in given["param_groups"]
        ]
        return {**given, "param_groups": groups}

    opt.register_load_state_dict_pre_hook(unwrap)
    opt.load_state_dict(saved)
    step(whole, want, 4)
    step(opt, params, 4)
    assert_same([params[n] for n in NAMES], want.values())


@pytest.mark.parametrize("name", having("weight_decay"))
def test_a_decay_filter_follows_its_names(name):
    settings = {
        "weight_decay": 0.3,
        "decay_filter": lambda n, p: n in ("a.weight", "c.scale"),
    }
    want, whole = trained(ours, name, **settings)
    params = copies(want, ORDERS[0])
    opt = ours(name, list(params.items()))
    opt.load_state_dict(reloaded(whole.state_dict()))
    (group,) = opt.param_groups
    assert group["decay_filter"] == [n in ("a.weight", "c.scale") for n in ORDERS[0]]
    step(whole, want, 4)
    step(opt, params, 4)
    assert_goes_on(name, [params[n] for n in NAMES], want.values())


def test_a_decay_filter_of_names_that_the_file_lacks_keeps_what_was_decided():
    _, whole = trained(ours, "AdamW", NAMES[:3], decay_filter=lambda n, p: n != "a.bias")
    params = model(["c.scale", "a.bias", "b.bias"])
    opt = ours("AdamW", list(params.items()), decay_filter=lambda n, p: n != "c.scale")
    with pytest.warns(UserWarning, match="strict=False took"):
        opt.load_state_dict(whole.state_dict(), strict=False)
    assert opt.param_groups[0]["decay_filter"] == [False, False, True]


def test_parameters_of_other_shapes_are_not_taken_for_each_others():
    """By position, torch would load these without a word and fail at the step."""
    shapes = {"a": (2, 3), "b": (4,), "c": ()}

    def made(order):
        return {n: Parameter(numbers(shapes[n], 1)) for n in order}

    want = made("abc")
    whole = ours("Adam", list(want.items()))
    give_gradients(want.values(), 0)
    whole.step()
    params = made("cab")
    opt = ours("Adam", list(params.items()))
    opt.load_state_dict(reloaded(whole.state_dict()))
    assert all(opt.state[params[n]]["exp_avg"].shape == shapes[n] for n in "abc")
    walk(opt, 1, start=1)
