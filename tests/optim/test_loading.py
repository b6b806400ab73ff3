"""`load_state_dict`: names behind wrappers, copies of the tensors, checks before changes."""

import warnings

import pytest
import torch
from torch.nn import Linear, Parameter, Sequential

import thalweg.optim as optim
from tests.optim.named import SHAPES, at, named, of
from tests.optim.runs import (
    EVERY,
    TWINS,
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
    if name not in TWINS:
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
