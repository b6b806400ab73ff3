"""A training in one file: it goes on bit for bit, and torch reads it."""

import json
import math
import os

import numpy as np
import pytest

pytest.importorskip("safetensors")

from safetensors import safe_open
from safetensors.numpy import load_file

from tests.mytorch.agreement import needs_torch
from tests.mytorch.steps import EVERY, assert_same, assert_same_state, make, values, walk
from tests.mytorch.trainings import Training, assert_all_same
from thalweg.mytorch import manual_seed, nn, optim
from thalweg.mytorch.checkpoint import load, save


def test_a_training_goes_on_as_if_it_had_never_stopped(path):
    straight = Training(1)
    losses = straight.run(4)
    stopped = Training(1)
    first = stopped.run(2)
    save(path, *stopped.parts)
    stopped.run(1)
    resumed = Training(2)  # other weights, another order of the batches
    resumed.run(1)
    load(path, *resumed.parts)
    assert [*first, *resumed.run(2)] == losses
    assert_all_same(resumed.everything(), straight.everything())


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_optimizer_goes_on_from_a_file(path, name, dtype):
    net, other = nn.Linear(3, 4).to(dtype), nn.Linear(3, 4).to(dtype)
    opt, resumed = make(name, net), make(name, other)
    walk(opt, 3)
    save(path, net, opt)
    load(path, other, resumed)
    assert_same_state(opt.state_dict(), resumed.state_dict())
    walk(opt, 3, start=3)
    walk(resumed, 3, start=3)
    assert_same(values(net.parameters()), values(other.parameters()))


def test_settings_of_any_kind_come_back(path):
    def build(rate):
        net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
        groups = [{"params": net[0], "betas": [0.5, 0.75]}, {"params": net[1], "lr": math.inf}]
        return net, optim.AdamW(groups, lr=rate, decay_filter=lambda name, p: p.ndim > 1)

    net, opt = build(np.float32(0.1))
    save(path, net, opt)
    other, resumed = build(7.0)
    load(path, other, resumed)
    first, second = resumed.param_groups
    assert first["lr"] == float(np.float32(0.1))
    assert first["betas"] == (0.5, 0.75)
    assert second["lr"] == math.inf
    assert first["decay_filter"] == [True, False]
    assert first["param_names"] == ["weight", "bias"]


def test_a_model_alone_is_loaded_alone(path, saved):
    other = Training(2)
    before = other.everything()
    load(path, other.model)
    after = other.everything()
    assert_same(after[0].values(), saved.model.state_dict().values())
    assert_all_same((before[0], *after[1:]), before)


def test_arrays_come_back_as_they_are_however_they_lie(path):
    net = nn.Linear(2, 3)
    net.register_buffer("columns", np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    net.register_buffer("count", np.array(7))
    net.register_buffer("none", np.zeros((0, 4), np.float32))
    before = net.state_dict()
    opt = optim.SGD(net, momentum=0.9)
    opt.state[net.weight] = {"momentum_buffer": np.asfortranarray(net.weight.data)}
    save(path, net, opt)
    assert_same([load_file(path)["optimizer:0:momentum_buffer"]], [net.weight.data])
    for _, buffer in net.named_buffers():
        buffer[...] = 0
    load(path, net)
    assert_same(net.state_dict().values(), before.values())


# The file.


def test_the_metadata_says_what_is_in_the_file(path, saved):
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    assert metadata["format"] == "thalweg.mytorch 1"
    about = json.loads(metadata["optimizer"])
    assert about["class"] == "AdamW"
    assert about["param_groups"][0]["betas"] == [0.9, 0.999]
    assert about["numbers"]["0"]["step"] == 3.0
    assert json.loads(metadata["scheduler"])["class"] == "Scheduler"
    assert json.loads(metadata["loader"]) == {"seed": saved.loader.seed, "epoch": 1}
    assert json.loads(metadata["random"])["bit_generator"] == "PCG64"


def test_the_weights_have_their_own_names(path, saved):
    arrays = load_file(path)
    for name, array in saved.model.state_dict().items():
        assert_same([arrays.pop(name)], [array])
    assert all(name.startswith("optimizer:") for name in arrays)
    held = saved.optimizer.state_dict()["state"][0]["exp_avg"]
    assert_same([arrays["optimizer:0:exp_avg"]], [held])


def test_a_new_file_takes_the_place_of_the_old_one_and_nothing_is_left(path, saved):
    other = Training(3)
    other.run(2)
    save(path, *other.parts)
    assert os.listdir(path.parent) == [path.name]
    again = Training(4)
    load(path, *again.parts)
    assert_all_same(again.everything()[:-1], other.everything()[:-1])


def test_a_file_is_as_readable_as_any_other(path, saved):
    plain = path.with_name("plain")
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


def test_a_link_stays_a_link(path):
    link = path.with_name("latest")
    link.symlink_to(path.name)
    save(link, nn.Linear(2, 2))
    assert link.is_symlink()
    assert path.is_file()


# torch.


def convolutional(of):
    layers = [of.Conv2d(1, 2, 3), of.BatchNorm2d(2), of.Flatten(), of.Linear(8, 3)]
    return of.Sequential(*layers)


@needs_torch
def test_torch_loads_the_weights_and_gives_them_back(path):
    import safetensors.torch
    import torch

    manual_seed(0)
    net, images = convolutional(nn), np.random.default_rng(0).normal(size=(4, 1, 4, 4))
    net.double()(images)  # batch norm has seen something
    save(path, net)
    theirs = convolutional(torch.nn).double()
    theirs.load_state_dict(safetensors.torch.load_file(path))
    want = theirs.eval()(torch.from_numpy(images)).detach().numpy()
    np.testing.assert_allclose(net.eval()(images).data, want, rtol=1e-12)
    safetensors.torch.save_file(theirs.state_dict(), path)
    again = convolutional(nn).double()
    load(path, again)
    assert_same(again.state_dict().values(), net.state_dict().values())


@needs_torch
def test_torch_loads_the_weights_out_of_a_whole_training(path):
    import safetensors.torch
    import torch

    net = convolutional(nn)
    save(path, net, optim.Adagrad(net))
    weights = safetensors.torch.load_file(path)
    theirs = convolutional(torch.nn)
    found = theirs.load_state_dict(weights, strict=False)
    assert found.missing_keys == []
    assert all(name.startswith("optimizer:") for name in found.unexpected_keys)
    assert_same([theirs[3].weight.detach().numpy()], [net[3].weight.data])


@needs_torch
def test_a_file_of_torchs_has_weights_only_and_in_types_that_numpy_has(path):
    import safetensors.torch
    import torch

    theirs = torch.nn.Linear(2, 3)
    safetensors.torch.save_file(theirs.state_dict(), path)
    net = nn.Linear(2, 3)
    with pytest.raises(ValueError, match="holds no optimizer"):
        load(path, net, optim.SGD(net))
    load(path, net)
    assert_same([net.weight.data], [theirs.weight.detach().numpy()])
    safetensors.torch.save_file(theirs.bfloat16().state_dict(), path)
    with pytest.raises((ValueError, TypeError), match=r"bfloat16|NumPy"):
        load(path, net)
