"""Groups that a program edits: the ranges of the constructor hold there too, and slips are told."""

import warnings

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import EVERY, FOR_SPARSE, OURS, assert_same, ours, values, walk, weights
from thalweg.averaging import EMA

WRONG = [
    ("AdamW", "betas", (0.5, 2.0), ValueError, r"betas\[1\] must be >= 0 and < 1, got 2\.0"),
    (
        "AdamW",
        "betas",
        (0.5, float("nan")),
        ValueError,
        r"betas\[1\] must be >= 0 and < 1, got nan",
    ),
    ("AdamW", "betas", 0.5, TypeError, r"betas must be 2 numbers, got 0\.5"),
    ("AdamW", "betas", (0.1, 0.2, 0.3), TypeError, r"betas must be 2 numbers, got \(0\.1, 0\.2, 0"),
    ("AdamW", "eps", -1e-8, ValueError, "eps must be >= 0, got -1e-08"),
    ("SGD", "lr", "0.1", TypeError, r"lr must be a number, got '0\.1'"),
    ("SGD", "lr", None, TypeError, "lr must be a number, got None"),
    ("SGD", "lr", torch.tensor(-1.0), ValueError, r"lr must be >= 0, got -1\.0"),
    ("SGD", "momentum", -0.1, ValueError, r"momentum must be >= 0, got -0\.1"),
    ("Ranger", "k", 2.5, TypeError, r"k must be an integer, got 2\.5"),
    ("Ranger", "k", 0, ValueError, "k must be >= 1, got 0"),
    ("Ranger", "warmup_mode", "none", ValueError, "warmup_mode must be one of 'sgd', 'skip'"),
    ("Rprop", "etas", (1.5, 1.2), ValueError, r"etas\[0\] must be "),
    ("SparseAdam", "lr", -1.0, ValueError, r"lr must be "),
    ("Adafactor", "d", 0.5, ValueError, r"d must be >= 1, got 0\.5"),
    ("Adafactor", "eps", 5, TypeError, "eps must be 2 numbers, got 5"),
    ("Adafactor", "eps", (-1.0, 1e-3), ValueError, r"eps\[0\] must be >= 0, got -1\.0"),
]


@pytest.mark.parametrize("at", [0, 3])
@pytest.mark.parametrize(("name", "key", "value", "kind", "words"), WRONG)
def test_a_setting_edited_out_of_its_range_is_refused_at_the_step(
    name, key, value, kind, words, at
):
    params, plain = weights(), weights()
    opt = getattr(optim, name)(params)
    walk(opt, at)
    before, held = values(params), {p: dict(s) for p, s in opt.state.items()}
    good, opt.param_groups[0][key] = opt.param_groups[0][key], value
    with pytest.raises(kind, match=f"^{name}: {words}"):
        walk(opt, 1, start=at)
    assert_same(params, before)
    assert {p: dict(s) for p, s in opt.state.items()} == held
    opt.param_groups[0][key] = good
    walk(opt, 3, start=at)
    walk(getattr(optim, name)(plain), at + 3)
    assert_same(params, plain)


@pytest.mark.parametrize(("key", "value"), [("momentum", -1.0), ("lr", -0.1), ("eps", "small")])
def test_muons_settings_are_held_too(key, value):
    p = Parameter(torch.ones(3, 3))
    opt = optim.Muon([p])
    opt.param_groups[0][key] = value
    with pytest.raises((TypeError, ValueError), match=f"^Muon: {key} must be .*, got {value!r}"):
        walk(opt, 1)
    assert p.tolist() == torch.ones(3, 3).tolist()


@pytest.mark.parametrize(("key", "value"), [("max_iter", -1), ("lr", -0.1), ("history_size", 0)])
def test_lbfgs_asks_before_the_closure_is_called(key, value):
    p, calls = Parameter(torch.ones(3)), []
    opt = optim.LBFGS([p])
    opt.param_groups[0][key] = value
    with pytest.raises(ValueError, match=f"^LBFGS: {key} must be .*, got {value!r}"):
        opt.step(lambda: calls.append(1))
    assert not calls


def test_the_decay_of_an_average_is_held_too():
    opt = optim.AdamW(weights(), average=EMA(0.9))
    walk(opt, 2)
    opt.param_groups[0]["average_decay"] = 1.5
    with pytest.raises(ValueError, match=r"^AdamW: average_decay must be >= 0 and <= 1, got 1\.5"):
        walk(opt, 1, start=2)


@pytest.mark.parametrize("name", OURS)
def test_one_wrong_group_among_many_stops_all(name):
    params = weights()
    opt = ours(name, [{"params": [p]} for p in params])
    walk(opt, 2)
    before = values(params)
    opt.param_groups[-1]["lr"] = -1.0
    with pytest.raises(ValueError, match=rf"^{name}: lr must be >= 0, got -1\.0$"):
        walk(opt, 1, start=2)
    assert_same(params, before)


@pytest.mark.parametrize("name", EVERY)
def test_a_rate_of_zero_is_no_edit_out_of_range(name):
    """SparseAdam is not made with it; schedules end there."""
    opt, other = ours(name, weights([(2, 2)])), ours(name, weights([(2, 2)]))
    opt.param_groups[0]["lr"] = 0.0
    (p,) = opt.param_groups[0]["params"]
    p.grad = torch.zeros(2, 2, dtype=p.dtype)
    if name in FOR_SPARSE:
        p.grad = p.grad.to_sparse(1)
    opt.step()
    other.load_state_dict(opt.state_dict())
    assert other.param_groups[0]["lr"] == 0.0


def test_a_value_found_wrong_once_is_found_wrong_again():
    opt = optim.AdamW(weights())
    opt.param_groups[0]["lr"] = -1.0
    for _ in range(2):
        with pytest.raises(ValueError, match="lr must be >= 0"):
            walk(opt, 1)


def test_more_settings_than_are_remembered_are_all_asked():
    opt = optim.SGD([Parameter(torch.zeros(1))], lr=0.0)
    for i in range(600):
        opt.param_groups[0]["lr"] = i * 1e-6
        walk(opt, 1)
    opt.param_groups[0]["lr"] = -1e-6
    with pytest.raises(ValueError, match="lr must be >= 0"):
        walk(opt, 1)


SLIPS = [
    ("AdamW", "weigth_decay", "weight_decay"),
    ("SGD", "momentun", "momentum"),
    ("Ranger", "n_sma_treshold", "n_sma_threshold"),
    ("Ranger", "alhpa", "alpha"),
    ("Adafactor", "weight_deacy", "weight_decay"),
    ("LBFGS", "historysize", "history_size"),
]


@pytest.mark.parametrize(("name", "key", "meant"), SLIPS)
def test_a_key_that_is_nearly_a_setting_is_told_of_once(name, key, meant):
    group = {"params": [Parameter(torch.ones(2))], key: 0.1}
    with pytest.warns(UserWarning, match=f"^{name}: a group has '{key}'.* did you mean '{meant}'"):
        opt = getattr(optim, name)([group])
    assert opt.param_groups[0][key] == 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opt.add_param_group({"params": [Parameter(torch.ones(2))], key: 0.1})


def test_muon_tells_of_a_slip_too():
    group = {"params": [Parameter(torch.ones(2, 2))], "nestrov": True}
    with pytest.warns(UserWarning, match="did you mean 'nesterov'"):
        optim.Muon([group])


def test_a_slip_in_a_file_is_told_of():
    saved = optim.AdamW(weights()).state_dict()
    saved["param_groups"][0]["weigth_decay"] = 0.1
    with pytest.warns(UserWarning, match="did you mean 'weight_decay'"):
        optim.AdamW(weights()).load_state_dict(saved)


KEYS = [
    "initial_lr", "max_lr", "min_lr", "lr_scale", "param_names", "swa_lr", "name", "layer_name",
    "base_momentum", "max_momentum", "no_weight_decay", "weight_decay_mult", "lr_mult",
    "group_name", "use_muon", "wd", "is_backbone", "id", "base_lr", "wd_mult", "decay_mult", "lrs",
    "lr0", "lr_factor", "start_lr", "final_lr", "init_lr", "wd_scale", "tag", "layer_decay", "rank",
]  # fmt: skip


@pytest.mark.parametrize("name", OURS)
def test_what_frameworks_keep_in_a_group_is_no_slip(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opt = ours(name, _group(KEYS))
    assert opt.param_groups[0]["lr_scale"] == 1


def _group(keys):
    named = [(str(i), p) for i, p in enumerate(weights())]
    return [{"params": named, **dict.fromkeys([k for k in keys if k != "param_names"], 1)}]
