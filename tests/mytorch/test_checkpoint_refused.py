"""What cannot be saved or loaded: a sentence, and nothing changes."""

import re
import sys

import numpy as np
import pytest

pytest.importorskip("safetensors")

from tests.mytorch.steps import assert_same
from tests.mytorch.trainings import Training, assert_all_same
from thalweg.mytorch import nn, optim
from thalweg.mytorch.checkpoint import load, save
from thalweg.schedules import cosine


def refuse(path, training, error, sentence, *parts) -> None:
    before = training.everything()
    with pytest.raises(error, match=sentence):
        load(path, *(parts or training.parts))
    assert_all_same(training.everything(), before)


def test_a_cut_file_changes_nothing(path, saved):
    whole, other = path.read_bytes(), Training(2)
    for size in (0, 1, 7, 8, 100, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        refuse(path, other, ValueError, f"^load: {path} is not a whole safetensors file: ")


def test_no_bit_of_a_file_can_be_turned_without_being_noticed(path, saved):
    whole, other = path.read_bytes(), Training(2)
    random = np.random.default_rng(0)
    for place in random.integers(0, len(whole), 60).tolist():
        spoiled = bytearray(whole)
        spoiled[place] ^= 1 << int(random.integers(8))
        path.write_bytes(spoiled)
        refuse(path, other, ValueError, r"is not a whole safetensors file|is damaged|NumPy")


def test_a_file_of_another_kind_changes_nothing(path):
    other = Training(2)
    path.write_text("not a checkpoint, and longer than a header's length of eight bytes")
    refuse(path, other, ValueError, "is not a whole safetensors file")
    path.unlink()
    refuse(path, other, FileNotFoundError, f"load: there must be a file at {path}, but it is miss")
    path.mkdir()
    refuse(path, other, FileNotFoundError, f"load: there must be a file at {path}, but .* a folder")


def test_another_architecture_changes_nothing(path, saved):
    other = Training(2)
    for net, sentence in [
        (
            nn.Sequential(nn.Linear(6, 8)),
            r"the state has 1\.bias, .*4\.weight, which this module does not",
        ),
        (nn.Sequential(*other.model, nn.Linear(3, 3)), "the state lacks 5.weight, 5.bias"),
    ]:
        before = net.state_dict()
        refuse(path, other, ValueError, sentence, net, *other.parts[1:])
        assert_same(net.state_dict().values(), before.values())
    other.model.append(nn.ReLU())
    load(path, *other.parts)  # a layer without weights is none to the file


def test_another_optimizer_changes_nothing(path, saved):
    other = Training(2, lambda net: optim.SGD(net))
    refuse(
        path, other, ValueError, "holds the state of AdamW, but the optimizer is of the class SGD"
    )
    fewer = Training(2, lambda net: optim.AdamW(net[0]))
    refuse(path, fewer, RuntimeError, r"AdamW\.load_state_dict: .*unexpected in it: '0\.bias'")
    counted = Training(2, lambda net: optim.AdamW(net[0].parameters()))
    refuse(path, counted, ValueError, r"must have \[2\] parameters, as the optimizer's, got \[6\]")


def test_a_scheduler_of_something_else_changes_nothing(path, saved):
    other = Training(2)
    scheduler = optim.Scheduler(other.optimizer, cosine(10), param="weight_decay")
    parts = other.model, other.optimizer, scheduler, other.loader
    refuse(path, other, ValueError, "param must be 'weight_decay' in the state, got 'lr'", *parts)


@pytest.mark.parametrize("part", ["optimizer", "scheduler", "loader"])
def test_a_file_without_a_part_has_none_to_load(path, part):
    other = Training(2)
    save(path, other.model)
    given = {part: getattr(other, part)}
    before = other.everything()
    with pytest.raises(ValueError, match=f"holds no {part}; load the model alone"):
        load(path, other.model, **given)
    assert_all_same(other.everything(), before)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([3], "model must be of the class Module of thalweg.mytorch, got int"),
        ([None], "model must be of the class Module of thalweg.mytorch, got NoneType"),
        (
            [nn.ReLU(), nn.ReLU()],
            "optimizer must be of the class Optimizer of thalweg.mytorch, got ReLU",
        ),
        (
            [nn.ReLU(), None, None, [1]],
            "loader must be of the class DataLoader of thalweg.mytorch, got list",
        ),
    ],
)
@pytest.mark.parametrize("function", [save, load])
def test_what_has_no_place_in_a_checkpoint_is_said(path, function, arguments, sentence):
    with pytest.raises(TypeError, match=f"^{function.__name__}: {re.escape(sentence)}"):
        function(path, *arguments)
    assert not path.exists()


def test_a_state_that_json_cannot_hold_is_said(path):
    net = nn.Linear(2, 2)
    opt = optim.SGD(net)
    opt.param_groups[0]["note"] = object()
    with pytest.raises(TypeError, match="save: the state of the optimizer must be numbers, words"):
        save(path, net, opt)
    with pytest.raises(ValueError, match="a weight's name must not begin with 'optimizer:'"):
        save(path, nn.Sequential({"optimizer:0": nn.Linear(2, 2)}))
    assert not path.exists()


def test_a_missing_package_is_named(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    for function in (save, load):
        with pytest.raises(ImportError, match=r"pip install 'thalweg\[lab\]'"):
            function(path, nn.Linear(2, 2))
