"""`load_state_dict`: names behind wrappers, copies of the tensors, checks before changes."""

import copy
import warnings

import pytest
import torch
from torch.nn import Linear, Parameter, Sequential

import thalweg.optim as optim
from tests.optim.runs import (
    EVERY,
    OURS,
    assert_same,
    assert_same_state,
    numbers,
    ours,
    reloaded,
    torchs,
    values,
    walk,
    weights,
)
from thalweg.averaging import EMA, SWA

SHAPES = {"0.weight": (3, 2), "0.bias": (3,), "1.weight": (2, 3)}


def named(rename=lambda name: name):
    return [(rename(n), Parameter(numbers(s, i))) for i, (n, s) in enumerate(SHAPES.items())]


def of(opt):
    """What is kept of each parameter, by its place."""
    return [opt.state[p] for group in opt.param_groups for p in group["params"]]


def at(steps, rename=lambda name: name, cls=optim.AdamW, **settings):
    opt = cls(named(rename), **settings)
    walk(opt, steps)
    return opt


def behind(word):
    return lambda name: f"{word}.{name}"


WAYS = {
    "nothing": lambda name: name,
    "ddp": lambda name: f"module.{name}",
    "compile": lambda name: f"_orig_mod.{name}",
    "both": lambda name: f"module._orig_mod.{name}",
    "the other way": lambda name: f"_orig_mod.module.{name}",
    "ddp twice": lambda name: f"module.module.{name}",
    "blocks compiled": lambda name: name.replace("0.", "0._orig_mod."),
    "fsdp": lambda name: "_fsdp_wrapped_module." + name.replace("0.", "0._fsdp_wrapped_module."),
    "checkpointed": lambda name: name.replace("1.", "1._checkpoint_wrapped_module."),
    "fabric": lambda name: f"_forward_module.module.{name}",
}


@pytest.mark.parametrize("there", WAYS)
@pytest.mark.parametrize("here", WAYS)
def test_the_words_of_wrappers_are_seen_through(there, here):
    saved, opt = at(3, WAYS[there]), at(1, WAYS[here])
    opt.load_state_dict(reloaded(saved.state_dict()))
    assert_same_state(opt, saved)
    assert opt.param_groups[0]["param_names"] == [WAYS[here](name) for name in SHAPES]


@pytest.mark.parametrize("cls", [optim.SGD, optim.Ranger, optim.Adafactor, optim.LBFGS])
def test_they_are_in_every_class(cls):
    settings = {"momentum": 0.9} if cls is optim.SGD else {}

    def run(rename, steps):
        opt = cls(named(rename), **settings)
        for t in range(steps):
            loss = sum((p * numbers(p.shape, t)).sum() ** 2 for p in opt.param_groups[0]["params"])
            opt.zero_grad()
            loss.backward(retain_graph=True)
            opt.step(*([lambda loss=loss: loss] if cls is optim.LBFGS else []))
        return opt

    saved, opt = run(behind("module"), 3), run(lambda name: name, 1)
    opt.load_state_dict(saved.state_dict())
    assert repr(opt.state_dict()["state"]) == repr(saved.state_dict()["state"])


def test_a_model_of_its_own_called_module_is_not_taken_for_a_wrapper():
    def make(start):
        pair = [(f"{start}module.w", numbers((2,), 1)), (f"{start}w", numbers((2,), 2))]
        return optim.AdamW([(name, Parameter(value)) for name, value in pair])

    for there, here in (("", ""), ("module.", ""), ("", "module."), ("_orig_mod.", "module.")):
        saved, opt = make(there), make(here)
        walk(saved, 2)
        opt.load_state_dict(saved.state_dict())
        assert_same_state(opt, saved)


def test_real_wrappers_are_seen_through():
    net, other = (Sequential(Linear(2, 3), Linear(3, 2)) for _ in range(2))
    saved = optim.AdamW(torch.nn.DataParallel(net).named_parameters())
    walk(saved, 2)
    compiled = optim.AdamW(torch.compile(other, backend="eager").named_parameters())
    assert compiled.param_groups[0]["param_names"][0] == "_orig_mod.0.weight"
    compiled.load_state_dict(saved.state_dict())
    assert_same_state(compiled, saved)


def test_averages_go_into_a_model_behind_another_wrapper():
    net, other = (Sequential(Linear(2, 3), Linear(3, 2)) for _ in range(2))
    wrapped = torch.nn.DataParallel(net)
    opt = optim.AdamW(wrapped.named_parameters(), average=EMA(0.5))
    walk(opt, 3)
    opt.load_averaged(other)
    with opt.averaged_weights():
        assert_same(other.parameters(), net.parameters())


def test_an_error_of_strict_names_the_wrapper():
    saved = at(1, behind("module"))
    opt = optim.AdamW([*named()[:2], ("head", Parameter(torch.ones(2)))])
    with pytest.raises(
        RuntimeError,
        match=r"AdamW\.load_state_dict: .*missing in it: '0\.bias', '0\.weight', 'head'; .*"
        r"\('module\.' of DataParallel or DistributedDataParallel\) 2 of 3 names fit; strict=False",
    ):
        opt.load_state_dict(saved.state_dict())
    assert not opt.state


def test_without_strict_what_fits_behind_a_wrapper_is_taken_with_a_warning():
    saved = at(4, behind("module"))
    opt = optim.AdamW([*named()[:2], ("head", Parameter(torch.ones(2)))])
    with pytest.warns(
        UserWarning, match="2 of the optimizer's 3 parameters from a file that has 3"
    ):
        opt.load_state_dict(saved.state_dict(), strict=False)
    assert [held.get("step") for held in of(opt)] == [4.0, 4.0, None]
    assert_same([of(opt)[1]["exp_avg"]], [of(saved)[1]["exp_avg"]])


def test_without_strict_a_file_of_another_model_is_refused():
    saved, opt = at(4), optim.AdamW([("a", Parameter(torch.ones(2)))])
    with pytest.raises(RuntimeError, match="none of the file's 3 parameters has the name"):
        opt.load_state_dict(saved.state_dict(), strict=False)
    assert not opt.state


def test_without_strict_all_that_fits_is_no_warning():
    saved, opt = at(4, behind("module")), at(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opt.load_state_dict(saved.state_dict(), strict=False)
    assert_same_state(opt, saved)


def everything(opt):
    return [t for held in opt.state_dict()["state"].values() for t in _leaves(held)]


def _leaves(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        return [t for one in value.values() for t in _leaves(one)]
    return [t for one in value for t in _leaves(one)] if isinstance(value, list) else []


@pytest.mark.parametrize("make", [ours, torchs], ids=["ours", "torchs"])
@pytest.mark.parametrize("name", EVERY)
def test_the_optimizer_that_was_saved_stands_still_while_the_other_steps(name, make):
    if name in ("Ranger", "SparseAdam"):  # torch has none, or none that takes dense gradients
        make = ours
    x, y = make(name, weights()), ours(name, weights())
    walk(x, 3)
    saved = x.state_dict()
    before = values(everything(x))
    y.load_state_dict(saved)
    walk(y, 5, start=3)
    assert_same(everything(x), before)
    assert not {t.data_ptr() for t in everything(y)} & {
        t.data_ptr() for t in everything(x) if t.numel()
    }


@pytest.mark.parametrize("average", [EMA(0.9), SWA(start=1)], ids=["ema", "swa"])
def test_an_average_is_a_copy_too(average):
    x, y = (optim.AdamW(weights(), average=average) for _ in range(2))
    walk(x, 3)
    before = values(everything(x))
    y.load_state_dict(x.state_dict())
    walk(y, 3, start=3)
    assert_same(everything(x), before)


@pytest.mark.parametrize("cls", [optim.Adafactor, optim.Muon, optim.LBFGS])
def test_the_classes_of_matrices_and_lbfgs_copy_too(cls):
    def step(opt, times):
        (p,) = opt.param_groups[0]["params"]

        def closure():
            opt.zero_grad()
            loss = ((p - 1) ** 4).sum()
            loss.backward()
            return loss

        for _ in range(times):
            opt.step(closure)

    x, y = (
        cls([Parameter(numbers((3, 2), 1))], **({"max_iter": 3} if cls is optim.LBFGS else {}))
        for _ in range(2)
    )
    step(x, 2)
    before = values(everything(x))
    y.load_state_dict(x.state_dict())
    assert len(before) > 0
    step(y, 2)
    assert_same(everything(x), before)
    assert not {t.data_ptr() for t in everything(y)} & {t.data_ptr() for t in everything(x)}


def test_what_a_program_keeps_in_the_state_is_copied():
    x, y = optim.SGD(weights(), lr=0.1), optim.SGD(weights(), lr=0.1)
    p = x.param_groups[0]["params"][0]
    x.state[p]["mine"] = {"list": [torch.ones(2, dtype=torch.float64)]}
    x.state["all"] = {"seen": torch.zeros(2)}
    y.load_state_dict(x.state_dict())
    q = y.param_groups[0]["params"][0]
    y.state[q]["mine"]["list"][0] += 1
    y.state["all"]["seen"] += 1
    assert x.state[p]["mine"]["list"][0].tolist() == [1, 1]
    assert x.state["all"]["seen"].tolist() == [0, 0]


def test_one_tensor_in_two_places_stays_one():
    x, y = optim.AdamW(weights()), optim.AdamW(weights())
    walk(x, 2)
    saved = x.state_dict()
    saved["state"][1]["step"] = saved["state"][0]["step"]
    y.load_state_dict(saved)
    assert of(y)[0]["step"] is of(y)[1]["step"]
    assert of(y)[0]["step"] is not saved["state"][0]["step"]


def test_what_torch_has_copied_already_is_not_copied_again():
    x, y = optim.AdamW(weights(dtype=torch.float64)), optim.AdamW(weights(dtype=torch.float32))
    walk(x, 2)
    saved = x.state_dict()
    for held in saved["state"].values():
        held["exp_avg"] = held["exp_avg"].to(torch.bfloat16)
    made = []

    class Counting(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if function is torch.ops.aten.clone.default:
                made.append(args[0])
            return function(*args, **(kwargs or {}))

    with Counting():
        y.load_state_dict(saved)
    assert not any(t.dtype == torch.bfloat16 for t in made)


def broken(change, cls=optim.AdamW, **settings):
    """A state_dict with one thing wrong."""
    saved = copy.deepcopy(at(2, cls=cls, **settings).state_dict())
    change(saved)
    return saved


def group(**values):
    return lambda saved: saved["param_groups"][0].update(values)


def state(**values):
    return lambda saved: saved["state"][1].update(values)


def without(key):
    return lambda saved: saved["state"][1].pop(key)


REFUSED = {
    "an unknown average": (group(average="polyak"), TypeError, r"average must be None, EMA"),
    "an average of another kind": (group(average=3), TypeError, r"average must be None, EMA"),
    "a filter that is none": (group(decay_filter=5), ValueError, "decay_filter must be None"),
    "a filter too short": (group(decay_filter=[True]), ValueError, "one truth value for each"),
    "a beta": (group(betas=(0.5, 2.0)), ValueError, r"betas\[1\] must be >= 0 and < 1, got 2\.0"),
    "a rate": (group(lr="fast"), TypeError, "lr must be a number, got 'fast'"),
    "NaN": (group(eps=float("nan")), ValueError, "eps must be >= 0, got nan"),
    "a type of states": (group(state_dtype="half"), ValueError, "state_dtype must be one of"),
    "decay of an average": (
        group(average="ema", average_decay=2.0),
        ValueError,
        r"average_decay must be >= 0 and <= 1, got 2\.0",
    ),
    "a shape": (state(exp_avg=torch.ones(7)), ValueError, r"'exp_avg' must be .* \(3,\), got a t"),
    "a list": (
        state(exp_avg=[1.0]),
        ValueError,
        r"'exp_avg' must be a tensor of shape \(3,\), got",
    ),
    "no count": (without("step"), ValueError, "the state of parameter 1 lacks 'step'; it has 'exp"),
    "no moment": (without("exp_avg_sq"), ValueError, "parameter 1 lacks 'exp_avg_sq'"),
    "a count below zero": (state(step=torch.tensor(-1.0)), ValueError, "'step' must be >= 0"),
    "a count of NaN": (state(step=float("nan")), ValueError, "'step' must be >= 0 and finite"),
    "a count of two": (state(step=torch.ones(2)), ValueError, "'step' must be one number, got a t"),
    "a count in words": (state(step="two"), ValueError, "'step' must be one number, got 'two'"),
    "a state that is none": (
        lambda saved: saved["state"].update({1: 3}),
        ValueError,
        "the state of a parameter must be a dict, got 3",
    ),
    "no groups": (lambda saved: saved.pop("param_groups"), ValueError, "a dict with 'state' and"),
    "no states": (lambda saved: saved.pop("state"), ValueError, "a dict with 'state' and"),
    "a group of nothing": (
        lambda saved: saved["param_groups"][0].pop("params"),
        ValueError,
        "must be a list of dicts with 'params'",
    ),
    "groups that are none": (
        lambda saved: saved.update(param_groups=3),
        ValueError,
        "must be a list of dicts with 'params', got 3",
    ),
    "two groups": (
        lambda saved: saved["param_groups"].append({"params": []}),
        ValueError,
        "different number of parameter groups",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_step_could_take_is_refused_before_anything_changes(what):
    change, kind, words = REFUSED[what]
    opt = optim.AdamW([p for _, p in named()])
    walk(opt, 3)
    states, groups = copy.deepcopy(opt.state_dict()), opt.param_groups
    held = opt.state
    with pytest.raises(kind, match=words):
        opt.load_state_dict(broken(change))
    assert opt.param_groups is groups
    assert opt.state is held
    assert repr(opt.state_dict()) == repr(states)
    walk(opt, 1, start=3)


def test_an_error_of_loading_says_so():
    with pytest.raises(ValueError, match=r"^AdamW\.load_state_dict: betas\[1\] must be"):
        at(1).load_state_dict(broken(group(betas=(0.5, 2.0))))


@pytest.mark.parametrize("given", [None, 3, [], {}, {"state": {}, "param_groups": [3]}], ids=repr)
@pytest.mark.parametrize("cls", [optim.AdamW, optim.Adafactor, optim.Muon, optim.LBFGS])
def test_what_is_no_state_dict_is_refused_in_a_sentence(cls, given):
    opt = cls([Parameter(torch.ones(2, 2))])
    with pytest.raises(ValueError, match=rf"^{cls.__name__}\.load_state_dict: .* must be .*, got "):
        opt.load_state_dict(given)


def test_groups_with_averages_of_two_kinds_are_refused():
    pair = [{"params": [p]} for p in weights()[:2]]
    saved = optim.SGD(pair, lr=0.1, average=EMA(0.9)).state_dict()
    saved["param_groups"][1].update(average="swa", average_start=1, average_every=1)
    opt = optim.SGD([{"params": [p]} for p in weights()[:2]], lr=0.1)
    with pytest.raises(ValueError, match="all groups must keep the same kind of average"):
        opt.load_state_dict(saved)
    assert opt.param_groups[0]["average"] is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("row_var", torch.ones(3)), ("col_var", torch.ones(3, 1)), ("step", torch.ones(2))],
)
def test_adafactors_factors_must_fit(key, value):
    saved = broken(lambda saved: saved["state"][0].update({key: value}), optim.Adafactor)
    opt = at(1, cls=optim.Adafactor)
    with pytest.raises(ValueError, match=rf"^Adafactor\.load_state_dict: the state '{key}' must"):
        opt.load_state_dict(saved)
    assert of(opt)[0]["step"] == 1


def test_muons_momentum_must_fit():
    saved = optim.Muon([Parameter(torch.ones(2, 2))])
    walk(saved, 1)
    file = saved.state_dict()
    file["state"][0] = {"momentum_buffer": torch.ones(3)}
    opt = optim.Muon([Parameter(torch.ones(2, 2))])
    with pytest.raises(ValueError, match=r"'momentum_buffer' must be .*\(2, 2\), got .* \(3,\)"):
        opt.load_state_dict(file)
    assert not opt.state


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"d": torch.ones(4)}, "'d' must hold tensors of 15 numbers.*, got a tensor of shape"),
        ({"prev_flat_grad": 3}, "'prev_flat_grad' must hold tensors of 15 numbers.*, got 3"),
        ({"old_dirs": [torch.ones(2)]}, "'old_dirs' must hold tensors of 15 numbers"),
        ({"old_dirs": [torch.ones(15)]}, "'old_dirs', 'old_stps' and 'ro' must be of one length"),
    ],
    ids=["d", "gradient", "pairs", "lengths"],
)
def test_a_history_of_lbfgs_must_fit(change, words):
    saved, opt = (optim.LBFGS(named()) for _ in range(2))
    file = saved.state_dict()
    file["state"][0] = {"n_iter": 1, "func_evals": 1, **change}
    with pytest.raises(ValueError, match=rf"^LBFGS\.load_state_dict: the states? {words}"):
        opt.load_state_dict(file)
    assert not opt.state


def test_what_a_program_may_do_to_a_group_may_be_in_a_file():
    """Momentum of zero with nesterov is refused when made, and steps."""
    opt, other = (optim.SGD(weights(), lr=0.1, momentum=0.9, nesterov=True) for _ in range(2))
    opt.param_groups[0]["momentum"] = 0.0
    walk(opt, 1)
    other.load_state_dict(opt.state_dict())
    assert other.param_groups[0]["momentum"] == 0.0


@pytest.mark.parametrize("name", OURS)
def test_a_state_that_begins_later_may_be_missing(name):
    """An average, slow weights, a momentum that was zero."""
    opt = ours(name, weights())
    walk(opt, 2)
    saved = opt.state_dict()
    for held in saved["state"].values():
        held.pop("slow_buffer", None)
        held.pop("momentum_buffer", None)
    other = ours(name, weights())
    other.load_state_dict(saved)
    walk(other, 1, start=2)
    assert set(other.state_dict()["state"]) == set(range(5))
