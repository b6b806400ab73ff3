"""AveragedModel of what no deep copy can be made of, or only once too often."""

import collections
import copy
import threading
import types

import pytest
import torch
from torch import nn
from torch.nn import Module, Parameter

import thalweg.optim.swa_utils as ours
from tests.optim.averaged import Net, saved_values
from tests.optim.runs import assert_close, assert_same, numbers


class Whole(Module):
    """What a deep copy fails at, or copies though it is not wanted."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU())
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.body[0].weight
        self.lock = threading.Lock()
        self.trainer = types.SimpleNamespace(model=self)
        self.aliases = [self.body[0], "and more"]
        self.by_name = collections.OrderedDict(scale=self.body[1].weight)
        self.also = self.tied.bias  # which registers it a second time
        self.run = self.forward

    def forward(self, x):
        (same, _), scale = self.aliases, self.by_name["scale"]
        return self.tied(self.body(x)) + same(x) * scale + self.also


def moved(model: Module) -> Module:
    with torch.no_grad():
        for p in model.parameters():
            p += 1
    return model


def test_a_deep_copy_of_such_a_model_fails():
    with pytest.raises(TypeError, match="lock"):
        ours.AveragedModel(Whole())


@pytest.mark.parametrize("device", [None, "cpu"])
def test_a_shallow_average_is_a_model_of_its_own(device):
    model = Whole()
    x = numbers((5, 4), 1, torch.float32)
    ema = ours.AveragedModel(model, device, shallow=True)
    before, want = saved_values(ema.module), model(x).detach()
    moved(model)
    model(x)  # the batch norm takes notice
    assert_same(saved_values(ema.module), before)
    ema.module.body[1].reset_running_stats()
    assert_close([ema(x)], [want])
    assert_close([ema.module.run(x)], [want])
    mine = {id(value) for value in [*ema.module.parameters(), *ema.module.buffers()]}
    assert not mine & {id(value) for value in [*model.parameters(), *model.buffers()]}
    assert not {v.data_ptr() for v in ema.parameters()} & {v.data_ptr() for v in model.parameters()}


def test_a_shallow_average_borrows_all_that_is_not_of_the_modules():
    model = Whole()
    own = ours.AveragedModel(model, shallow=True).module
    assert own.lock is model.lock
    assert own.trainer is model.trainer
    assert own.tied.weight is own.body[0].weight
    assert own.aliases == [own.body[0], "and more"]
    assert own.also is own.tied.bias


def test_a_shallow_average_leaves_the_model_as_it_was():
    def described(model):
        tables = ("_parameters", "_modules", "_buffers", "_non_persistent_buffers_set", "training")
        return [(set(vars(m)), *(copy.copy(vars(m)[t]) for t in tables)) for m in model.modules()]

    model = Whole()
    before = described(model)
    own = ours.AveragedModel(model, shallow=True).module
    own.extra = nn.Linear(1, 1)
    own.register_buffer("more", torch.ones(1), persistent=False)
    own.register_forward_hook(lambda *given: None)
    own.body.eval()
    own.body[0].weight = Parameter(torch.zeros(4, 4))
    assert described(model) == before
    assert not model._forward_hooks


def test_hooks_go_with_a_shallow_average():
    model = nn.Linear(4, 4)
    model.register_forward_hook(lambda module, given, out: (module, out))
    own = ours.AveragedModel(model, shallow=True).module
    assert own(torch.ones(4))[0] is own


@pytest.mark.parametrize("shallow", [False, True])
def test_parametrized_and_frozen_weights_are_averaged(shallow):
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), nn.Linear(3, 3))
    model[1].requires_grad_(False)
    ema = ours.AveragedModel(model, shallow=shallow)
    for _ in range(2):
        ema.update_parameters(moved(model))
    x = torch.ones(2, 4)
    assert not torch.equal(ema(x), model(x))
    other = copy.deepcopy(model)
    other.load_state_dict(ema.module.state_dict())
    assert_same([ema(x)], [other(x)])
    assert [p.requires_grad for p in ema.parameters()] == [
        p.requires_grad for p in model.parameters()
    ]


@pytest.mark.parametrize("shallow", [False, True])
def test_tensors_are_made_where_they_are_wanted_and_nowhere_else(shallow, monkeypatch):
    """As for an average on the CPU of a model that fills the GPU; meta stands for the CPU here."""
    model = Net()
    monkeypatch.setattr(torch.Tensor, "clone", lambda *given, **how: pytest.fail("copied here"))
    ema = ours.AveragedModel(model, "meta", shallow=shallow)
    assert {v.device.type for v in [*ema.parameters(), *ema.buffers()]} == {"meta"}
    assert {v.device.type for v in [*model.parameters(), *model.buffers()]} == {"cpu"}


def test_an_update_of_another_type_makes_one_tensor_at_a_time():
    """Of a large model a second whole copy, even for a moment, may be too much."""
    calls = []

    def multi_avg_fn(averaged, current, n):
        calls.append([tuple(a.shape) for a in averaged])
        assert [a.dtype for a in averaged] == [p.dtype for p in current] == [torch.float32]

    model = Net(torch.bfloat16)
    ema = ours.AveragedModel(model, multi_avg_fn=multi_avg_fn).float()
    for _ in range(2):
        ema.update_parameters(model)
    assert calls == [[tuple(p.shape)] for p in model.parameters()]


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_compiled_module_cannot_be_borrowed_from():
    model = nn.Sequential(nn.ReLU(), torch.jit.trace(nn.Linear(2, 2), torch.ones(2)))
    with pytest.raises(TypeError, match=r"^AveragedModel: shallow=True needs .* '1' is compiled"):
        ours.AveragedModel(model, shallow=True)
