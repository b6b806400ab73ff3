"""Modules: what belongs to them, their state, and the exchange of it with torch."""

import copy

import numpy as np
import pytest

from tests.mytorch.agreement import assert_close, needs_torch
from thalweg.mytorch import Tensor, manual_seed, nn, no_grad


class Branch(nn.Module):
    """A parameter of its own beside layers, one of them a network, one of them used twice."""

    def __init__(self):
        self.inner = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
        self.scale = nn.Parameter(np.ones(3))
        self.again = self.inner
        self.none = None

    def forward(self, x):
        return self.inner(x) * self.scale


def names_of(pairs) -> list[str]:
    return [name for name, _ in pairs]


def test_parameters_are_found_by_attribute_own_ones_first_and_shared_ones_once():
    branch = Branch()
    assert names_of(branch.named_parameters()) == [
        "scale",
        "inner.0.weight",
        "inner.0.bias",
        "inner.1.weight",
        "inner.1.bias",
    ]
    assert [id(p) for p in branch.parameters()] == [id(p) for _, p in branch.named_parameters()]
    assert names_of(branch.named_buffers())[:3] == [
        "inner.1.running_mean",
        "inner.1.running_var",
        "inner.1.num_batches_tracked",
    ]
    assert names_of(branch.named_modules()) == ["", "inner", "inner.0", "inner.1"]


def test_a_parameter_that_is_replaced_is_no_longer_found():
    layer = nn.Linear(3, 2)
    layer.bias = None
    assert names_of(layer.named_parameters()) == ["weight"]
    assert layer(np.ones((1, 3), np.float32)).shape == (1, 2)


def test_a_parameter_keeps_its_memory_whatever_is_assigned():
    source = np.arange(6.0, dtype=np.float32).reshape(2, 3).T
    p = nn.Parameter(source)
    address = p.data.ctypes.data
    assert p.data.flags.c_contiguous
    assert not np.shares_memory(p.data, source)
    p.data -= 1
    p.data = np.full((3, 2), 7.0)
    assert (p.data.ctypes.data, p.data.tolist(), p.dtype) == (address, [[7, 7]] * 3, np.float32)
    with pytest.raises(
        ValueError, match=r"Parameter: data must keep its shape \(3, 2\), got \(2,\)"
    ):
        p.data = np.zeros(2)
    assert p.requires_grad
    assert not nn.Parameter(source, requires_grad=False).requires_grad


def test_loading_and_training_leave_parameters_where_they_are():
    branch = Branch()
    branch.float()
    before = {name: p.data.ctypes.data for name, p in branch.named_parameters()}
    branch.load_state_dict(Branch().state_dict())
    branch(np.ones((4, 3), np.float32)).sum().backward()
    for p in branch.parameters():
        p.data -= 0.1 * p.grad
    assert {name: p.data.ctypes.data for name, p in branch.named_parameters()} == before


def test_the_state_is_a_copy():
    layer = nn.Linear(2, 2)
    state = layer.state_dict()
    layer.weight.data[...] = 0
    assert state["weight"].any()


def test_a_state_that_fits_is_taken_over_and_one_that_does_not_changes_nothing():
    ours, theirs = Branch(), Branch()
    ours.load_state_dict(theirs.state_dict())
    for name, array in ours.state_dict().items():
        np.testing.assert_array_equal(array, theirs.state_dict()[name])
    before = ours.state_dict()
    good = Branch().state_dict()
    lacking = {name: array for name, array in good.items() if name != "scale"}
    for state, error, sentence in (
        (lacking, ValueError, "the state lacks scale"),
        ({**good, "more": 1}, ValueError, "the state has more, which this module does not"),
        ({**lacking, "sale": 1}, ValueError, "the state lacks scale and has sale, which"),
        (
            {**good, "again.0.bias": np.zeros(4)},
            ValueError,
            r"again.0.bias must have shape \(3,\), got \(4,\)",
        ),
        (
            {**good, "inner.1.num_batches_tracked": np.array(1.5)},
            TypeError,
            "inner.1.num_batches_tracked must be int64, got float64",
        ),
        ({**good, "scale": ["a", "b", "c"]}, TypeError, "scale must be float64, got <U1"),
    ):
        with pytest.raises(error, match="Branch.load_state_dict: " + sentence):
            ours.load_state_dict(state)
    for name, array in ours.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_training_mode_reaches_every_layer():
    branch = Branch()
    assert branch.eval() is branch
    assert [m.training for m in branch.modules()] == [False] * 4
    assert all(m.training for m in branch.train().modules())


def test_zero_grad_forgets_the_gradients_of_all_parameters():
    branch = Branch().double()
    branch(np.random.default_rng(0).random((4, 3))).sum().backward()
    assert all(p.grad is not None for p in branch.parameters())
    branch.zero_grad()
    assert all(p.grad is None for p in branch.parameters())


def test_a_network_of_doubles_computes_in_doubles():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2))
    x = np.random.default_rng(0).random((3, 1, 4, 4))
    with pytest.raises(TypeError, match="conv2d: all must be float32 or all float64, got input"):
        network(x)
    loss = network.double()(x).sum()
    loss.backward()
    assert loss.dtype == np.float64
    assert {p.grad.dtype for p in network.parameters()} == {np.dtype(np.float64)}
    assert network[1].running_mean.dtype == np.float64
    assert network[1].num_batches_tracked.dtype == np.int64
    assert network.float()(x.astype(np.float32)).dtype == np.float32
    with pytest.raises(TypeError, match="dtype must be float32 or float64, got int32"):
        network.to(np.int32)


def test_a_module_copies_with_parameters_of_its_own():
    branch = Branch().float()
    twin = copy.deepcopy(branch)
    for one, other in zip(branch.parameters(), twin.parameters(), strict=True):
        assert not np.shares_memory(one.data, other.data)
        np.testing.assert_array_equal(one.data, other.data)
    assert twin.again is twin.inner


def test_sequential_names_its_layers_in_order():
    layers = [nn.Linear(3, 2), nn.ReLU()]
    plain = nn.Sequential(*layers)
    assert dict(plain.module_dict) == {"0": layers[0], "1": layers[1]}
    named = nn.Sequential({"hidden": layers[0], "relu": layers[1]})
    assert list(named.module_dict) == ["hidden", "relu"]
    assert names_of(named.named_parameters()) == ["hidden.weight", "hidden.bias"]
    assert list(named) == layers
    assert (len(named), named[-1]) == (2, layers[1])
    assert list(plain.append(nn.Tanh()).module_dict) == ["0", "1", "2"]
    x = np.ones((1, 3), np.float32)
    assert_close(named(x).data, np.maximum(layers[0](x).data, 0))
    with pytest.raises(TypeError):
        named.module_dict["more"] = nn.ReLU()


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (lambda: nn.Sequential(np.tanh), TypeError, "Sequential: layer '0' must be a Module, got"),
        (lambda: nn.Sequential({"a.b": nn.ReLU()}), ValueError, "without dots, got 'a.b'"),
        (lambda: nn.Sequential({"forward": nn.ReLU()}), ValueError, "must be new.*got 'forward'"),
        (lambda: nn.Sequential(nn.ReLU())[1], IndexError, "there are 1 layers, none is number 1"),
        (lambda: nn.Module()(1), NotImplementedError, r"Module has no forward\(self, x\)"),
    ],
)
def test_what_is_no_network_is_refused(attempt, error, sentence):
    with pytest.raises(error, match=sentence):
        attempt()


def test_a_network_shows_its_layers_and_settings():
    network = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(4, 2, bias=False), nn.GELU()))
    assert repr(network) == "\n".join(
        [
            "Sequential(",
            "  (0): Flatten(start_dim=1, end_dim=-1)",
            "  (1): Sequential(",
            "    (0): Linear(4, 2, bias=False)",
            "    (1): GELU(approximate='none')",
            "  )",
            ")",
        ]
    )


def every_layer(of):
    """One network with each kind of layer that has a state, in either library."""
    return of.Sequential(
        of.Conv2d(2, 4, (3, 2), stride=2, padding=1, dilation=(1, 2), groups=2),
        of.BatchNorm2d(4),
        of.LeakyReLU(),
        of.MaxPool2d(2, 1),
        of.Conv2d(4, 3, 1, bias=False),
        of.GELU(),
        of.AvgPool2d(2, 1),
        of.Flatten(),
        of.Linear(27, 6),
        of.BatchNorm1d(6, momentum=None),
        of.Tanh(),
        of.LayerNorm(6),
        of.Sigmoid(),
        of.BatchNorm1d(6, affine=False, track_running_stats=False),
        of.Dropout(0.0),
        of.Linear(6, 5, bias=False),
    )


@needs_torch
def test_states_pass_to_torch_and_back_and_mean_the_same_there():
    import torch

    manual_seed(3)
    ours, theirs = every_layer(nn).double(), every_layer(torch.nn).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in ours.state_dict().items()})
    random = np.random.default_rng(0)
    for training in (True, True, False):
        x, labels = random.normal(size=(6, 2, 9, 9)), random.integers(0, 5, 6)
        ours.train(training)
        theirs.train(training)
        ours.zero_grad()
        theirs.zero_grad()
        loss = nn.CrossEntropyLoss()(ours(x), labels)
        wanted = torch.nn.CrossEntropyLoss()(theirs(torch.tensor(x)), torch.tensor(labels))
        assert_close(loss.item(), wanted.item())
        loss.backward()
        wanted.backward()
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert_close(one.grad, other.grad.numpy())
    for name, array in theirs.state_dict().items():
        assert_close(ours.state_dict()[name], array.numpy())
    fresh = every_layer(nn).double()
    fresh.load_state_dict(theirs.state_dict())
    with no_grad():
        assert_close(fresh.eval()(x).data, ours(x).data)


@needs_torch
def test_loss_modules_take_torchs_settings():
    import torch

    random = np.random.default_rng(0)
    x, labels = random.normal(size=(6, 4)), random.integers(0, 4, 6)
    weight, truth = random.random(4), random.random((6, 4))
    for name, settings, target in (
        ("CrossEntropyLoss", {"weight": weight, "label_smoothing": 0.1, "ignore_index": 2}, labels),
        ("NLLLoss", {"weight": weight, "reduction": "sum"}, labels),
        ("BCEWithLogitsLoss", {"weight": weight, "pos_weight": weight, "reduction": "sum"}, truth),
        ("MSELoss", {"reduction": "none"}, truth),
    ):
        tensors = {k: torch.tensor(v) if k.endswith("weight") else v for k, v in settings.items()}
        ours, theirs = getattr(nn, name)(**settings), getattr(torch.nn, name)(**tensors)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        found = ours(Tensor(x), Tensor(target))
        assert_close(found.data, theirs(torch.tensor(x), torch.tensor(target)).numpy())


@needs_torch
def test_an_embedding_is_torchs():
    import torch

    ours, theirs = nn.Embedding(5, 3, padding_idx=-1), torch.nn.Embedding(5, 3, padding_idx=-1)
    assert ours.padding_idx == theirs.padding_idx == 4
    assert not ours.weight.data[4].any()
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in ours.state_dict().items()})
    words = np.array([[0, 4], [3, 3]])
    for found, tensor in ((ours(words), Tensor), (theirs(torch.tensor(words)), torch.tensor)):
        (found * tensor(np.arange(12.0, dtype=np.float32).reshape(2, 2, 3))).sum().backward()
    np.testing.assert_array_equal(ours.weight.grad, theirs.weight.grad.numpy())
