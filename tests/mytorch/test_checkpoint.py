"""A training in one file: it goes on bit for bit, is whole or not there, and torch reads it."""

import builtins
import errno
import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("safetensors")

from safetensors import safe_open
from safetensors.numpy import load_file

from tests.mytorch.agreement import needs_torch
from tests.mytorch.steps import EVERY, assert_same, assert_same_state, make, values, walk
from thalweg.averaging import EMA
from thalweg.mytorch import data, get_rng_state, manual_seed, nn, optim
from thalweg.mytorch.checkpoint import load, save
from thalweg.schedules import cosine, warmup

ROOT = Path(__file__).parents[2]


class Training:
    """Everything that has a place of its own in a training, made anew from random numbers."""

    def __init__(self, seed: int, make_optimizer=lambda net: optim.AdamW(net, average=EMA(0.9))):
        manual_seed(seed)
        self.model = nn.Sequential(
            nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)
        )
        self.optimizer = make_optimizer(self.model)
        self.scheduler = optim.Scheduler(self.optimizer, warmup(5) >> cosine(20))
        numbers = np.random.default_rng(0)
        items = numbers.normal(size=(22, 6)).astype(np.float32), numbers.integers(0, 3, 22)
        self.loader = data.DataLoader(data.TensorDataset(*items), 8, shuffle=True)

    @property
    def parts(self):
        return self.model, self.optimizer, self.scheduler, self.loader

    def run(self, epochs: int) -> list[float]:
        losses = []
        for _ in range(epochs):
            for inputs, labels in self.loader:
                self.optimizer.zero_grad()
                loss = nn.CrossEntropyLoss()(self.model(inputs), labels)
                loss.backward()
                self.optimizer.step()
                self.scheduler.step()
                losses.append(loss.item())
        return losses

    def everything(self):
        return (
            self.model.state_dict(),
            self.optimizer.state_dict(),
            self.scheduler.state_dict(),
            (self.loader.seed, self.loader.epoch),
            get_rng_state(),
        )


def assert_all_same(one, other) -> None:
    assert one[0].keys() == other[0].keys()
    assert_same(one[0].values(), other[0].values())
    assert_same_state(one[1], other[1])
    assert one[2:] == other[2:]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "training.safetensors"


@pytest.fixture
def saved(path):
    training = Training(1)
    training.run(1)
    save(path, *training.parts)
    return training


# Going on.


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


# Interrupted, out of room, out of bounds.

# Every C function that `save` calls is a place to be killed at; the next round is one call later.
# From outside, a kill would come when the machine has time for it.
KILLING = """
import itertools, os, signal, sys
import numpy as np
from thalweg.mytorch import nn
from thalweg.mytorch.checkpoint import load, save

path = sys.argv[1]
model = nn.Linear(30, 30)

def fill(value):
    model.weight.data[:] = value
    model.bias.data[:] = value

def killed_at(call):
    left = call
    def count(frame, event, argument):
        nonlocal left
        left -= event == "c_call"
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
    child = os.fork()
    if not child:
        fill(call)
        sys.setprofile(count)
        save(path, model)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

fill(0)
save(path, model)
found, unfinished, newer = {0.0}, 0, 0
for call in itertools.count(1):
    was_killed = killed_at(call)
    load(path, model)
    now = {*model.weight.data.ravel(), *model.bias.data}
    assert len(now) == 1 and now <= found | {float(call)}, (call, now)
    newer += was_killed and now != found
    found = now
    if not was_killed:
        assert now == {float(call)}
        break
    unfinished += len(os.listdir(os.path.dirname(path))) > 1
save(path, model)
print(call, unfinished, newer, len(os.listdir(os.path.dirname(path))))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.slow
def test_whoever_is_killed_while_saving_leaves_a_whole_file(path):
    """The old one or, from the moment on that it has the name, the new one."""
    command = [sys.executable, "-c", KILLING, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    places, unfinished, newer, left = map(int, run.stdout.split())
    assert unfinished > 0, "nobody was killed in the middle of saving: nothing was shown"
    assert newer > 0, "nobody was killed after the file had its name: nothing was shown"
    assert places > 20
    assert left == 1, "what killed processes have left must go at the next save"


def test_a_disk_without_room_leaves_the_old_file(path, saved):
    resource = pytest.importorskip("resource")
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="save: File too large: nothing changed at") as caught:
            save(path, *Training(3).parts)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.errno == errno.EFBIG
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_that_may_not_be_written_leaves_the_old_file(path, saved, monkeypatch):
    before = path.read_bytes()
    if os.geteuid():
        path.parent.chmod(0o500)
    else:  # to whom nothing is forbidden

        def forbidden(*_):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(builtins, "open", forbidden)
    try:
        with pytest.raises(PermissionError, match="save: Permission denied: nothing changed at"):
            save(path, nn.Linear(2, 2))
    finally:
        monkeypatch.undo()
        path.parent.chmod(0o700)
    assert path.read_bytes() == before


def test_an_interrupt_leaves_the_old_file_and_no_other(path, saved, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save(path, nn.Linear(2, 2))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_place_that_is_none_is_said(tmp_path):
    with pytest.raises(IsADirectoryError, match="must be the name of a file, but it is a folder"):
        save(tmp_path, nn.Linear(2, 2))
    with pytest.raises(FileNotFoundError, match=r"save: No such file.*nothing changed at .*no/w"):
        save(tmp_path / "no" / "weights", nn.Linear(2, 2))
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="save: Not a directory: nothing changed"):
        save(tmp_path / "file" / "weights", nn.Linear(2, 2))


# What cannot be loaded: a sentence, and nothing changes.


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
