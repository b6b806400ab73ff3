"""Layers in lists and dicts, and what a whole network is told: where to compute, what to train."""

import numpy as np
import pytest

from tests.mytorch.agreement import assert_close, needs_torch
from thalweg.mytorch import nn


def layers() -> list[nn.Module]:
    return [nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)]


def names(model) -> list[str]:
    return [name for name, _ in model.named_children()]


LISTS = [lambda given: nn.Sequential(*given), nn.ModuleList]


@pytest.mark.parametrize("make", LISTS)
def test_a_list_of_layers_is_used_as_a_list_is(make):
    given = layers()
    model = make(given)
    assert list(model) == given
    assert len(model) == 3
    assert model[-1] is given[2]
    assert [list(model[part]) for part in (slice(2), slice(1, None), slice(None, None, -1))] == [
        given[:2],
        given[1:],
        given[::-1],
    ]
    assert type(model[:2]) is type(model)
    more = [nn.Tanh(), nn.Linear(2, 2)]
    assert model.append(more[0]) is model
    assert model.extend(more[1:]) is model
    first = nn.Identity()
    model.insert(0, first)
    assert list(model) == [first, *given, *more]
    assert names(model) == ["0", "1", "2", "3", "4", "5"]
    assert model.pop() is more[1]
    del model[0]
    del model[1:3]
    assert list(model) == [given[0], more[0]]
    model[-1] = first
    assert list(model) == [given[0], first]
    assert names(model) == ["0", "1"]


@needs_torch
@pytest.mark.parametrize("kind", ["Sequential", "ModuleList"])
@pytest.mark.parametrize("part", [slice(2), slice(1, 3), slice(-1, None), slice(None, None, 2)])
def test_the_layers_of_a_slice_have_torchs_names(kind, part):
    import torch

    def sliced(of):
        given = [of.Linear(3, 3), of.ReLU(), of.Linear(3, 3)]
        return (getattr(of, kind)(*given) if kind == "Sequential" else of.ModuleList(given))[part]

    assert list(sliced(nn).state_dict()) == list(sliced(torch.nn).state_dict())


def test_a_slice_shares_its_layers_and_computes_with_them():
    model = nn.Sequential(*layers())
    front = model[:2]
    assert front[0] is model[0]
    x = np.ones((2, 3), np.float32)
    assert_close(model[2:](front(x)).data, model(x).data)
    assert list(front.append(nn.Tanh()).module_dict) == ["0", "1", "2"]
    assert list(model[1:].append(nn.Tanh()).module_dict) == ["1", "2", "3"]
    assert len(model) == 3


def test_layers_of_a_module_list_belong_to_the_network():
    class Network(nn.Module):
        def __init__(self):
            self.blocks = nn.ModuleList(nn.Linear(2, 2) for _ in range(2))
            self.heads = nn.ModuleDict({"one": nn.Linear(2, 1), "two": nn.Linear(2, 3)})

        def forward(self, x, head):
            for block in self.blocks:
                x = block(x)
            return self.heads[head](x)

    network = Network()
    assert [name for name, _ in network.named_parameters()] == [
        *("blocks.0.weight", "blocks.0.bias", "blocks.1.weight", "blocks.1.bias"),
        *("heads.one.weight", "heads.one.bias", "heads.two.weight", "heads.two.bias"),
    ]
    assert network(np.ones((1, 2), np.float32), "two").shape == (1, 3)
    more = [nn.ReLU()]
    assert len(network.blocks + more) == 3


def test_a_dict_of_layers_is_used_as_a_dict_is():
    one, two = nn.Linear(2, 1), nn.Linear(2, 3)
    heads = nn.ModuleDict({"one": one})
    heads["two"] = two
    assert list(heads) == list(heads.keys()) == ["one", "two"]
    assert list(heads.values()) == [one, two]
    assert dict(heads.items()) == {"one": one, "two": two}
    assert "two" in heads
    assert "train" not in heads
    heads["one"] = two
    assert heads.pop("one") is two
    assert len(heads) == 1


def test_nothing_changes_when_a_layer_is_refused():
    model = nn.ModuleList(layers())
    with pytest.raises(TypeError, match="ModuleList: layer '4' must be a Module, got 3"):
        model.extend([nn.ReLU(), 3])
    heads = nn.ModuleDict()
    with pytest.raises(TypeError, match="ModuleDict: layer 'b' must be a Module, got 3"):
        heads.update({"a": nn.ReLU(), "b": 3})
    assert (len(model), len(heads)) == (3, 0)


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (lambda: nn.ModuleList(layers())[3], IndexError, "there are 3 layers, none is number 3"),
        (lambda: nn.ModuleList(layers()).pop(-4), IndexError, "none is number -4"),
        (lambda: nn.ModuleList(layers())(1), NotImplementedError, "call its layers one by one"),
        (
            lambda: nn.Sequential({"a": nn.ReLU()}).insert(0, nn.ReLU()),
            ValueError,
            "Sequential.insert: the layers must be named by their positions, got one named 'a'",
        ),
        (lambda: nn.ModuleDict({"train": nn.ReLU()}), ValueError, "must not be.*got 'train'"),
        (lambda: nn.ModuleDict({"a": nn.ReLU()})["b"], KeyError, "no layer 'b', there are a"),
    ],
)
def test_what_is_no_layer_of_it_is_said_in_a_sentence(attempt, error, sentence):
    with pytest.raises(error, match=sentence):
        attempt()


@pytest.mark.parametrize(
    "move",
    [
        lambda model: model.to("cuda"),
        lambda model: model.to("cuda:1", np.float64),
        lambda model: model.to(device="mps", dtype="float64"),
        lambda model: model.cuda(),
    ],
)
def test_another_device_is_refused_in_a_sentence_and_nothing_moves(move):
    model = nn.Sequential(*layers())
    with pytest.raises(ValueError, match=r"device must be 'cpu', got '(cuda|mps).*thalweg.optim"):
        move(model)
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}


def test_the_cpu_is_where_a_model_is_already_and_a_type_may_come_with_it():
    model = nn.Sequential(*layers())
    assert model.to("cpu") is model.cpu() is model.to(device="cpu:0") is model
    for move in (
        lambda: model.to("cpu", np.float64),
        lambda: model.to("float64"),
        lambda: model.to(dtype=float),
    ):
        assert {p.dtype for p in move().parameters()} == {np.dtype(np.float64)}
        assert {p.dtype for p in model.float().parameters()} == {np.dtype(np.float32)}
    with pytest.raises(TypeError, match="dtype must be float32 or float64, got 'half a float'"):
        model.to("half a float")
    with pytest.raises(TypeError, match="there must be one dtype, got"):
        model.to(np.float32, dtype=np.float64)


@needs_torch
def test_torchs_own_devices_and_types_are_understood():
    import torch

    model = nn.Linear(2, 2).to(torch.device("cpu"), torch.float64)
    assert model.weight.dtype == np.float64
    with pytest.raises(ValueError, match="device must be 'cpu', got 'cuda:0'"):
        model.to(torch.device("cuda", 0))


def test_a_part_can_be_held_fixed_and_a_function_applied_to_every_layer():
    model = nn.Sequential(*layers())
    assert model[0].requires_grad_(False) is model[0]
    model(np.ones((2, 3), np.float32)).sum().backward()
    assert model[0].weight.grad is None
    assert model[2].weight.grad is not None

    seen = []
    assert model.apply(lambda module: seen.append(type(module).__name__)) is model
    assert seen == ["Linear", "ReLU", "Linear", "Sequential"]
