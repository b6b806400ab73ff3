"""Every layer that has a state, against torch's of the same name and settings."""

import numpy as np
import pytest

from tests.mytorch.agreement import (
    apart,
    assert_close,
    assert_differences_agree,
    needs_torch,
)
from thalweg.mytorch import Tensor, manual_seed, nn

# name, settings, and the inputs' shapes
LAYERS = [
    ("Linear", {"in_features": 3, "out_features": 4}, [(5, 3)]),
    ("Conv1d", {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "groups": 2}, [(2, 4, 9)]),
    (
        "Conv1d",
        {"in_channels": 2, "out_channels": 3, "kernel_size": 2, "stride": 2, "bias": False},
        [(2, 2, 7)],
    ),
    ("Conv2d", {"in_channels": 2, "out_channels": 3, "kernel_size": 2}, [(2, 2, 4, 4)]),
    (
        "ConvTranspose2d",
        {"in_channels": 4, "out_channels": 6, "kernel_size": 3, "stride": 2, "groups": 2},
        [(2, 4, 3, 4)],
    ),
    (
        "ConvTranspose2d",
        {
            "in_channels": 2,
            "out_channels": 3,
            "kernel_size": (2, 3),
            "stride": (2, 1),
            "padding": 1,
            "output_padding": (1, 0),
            "dilation": (1, 2),
            "bias": False,
        },
        [(2, 2, 4, 5)],
    ),
    ("GroupNorm", {"num_groups": 2, "num_channels": 4}, [(3, 4, 5)]),
    ("GroupNorm", {"num_groups": 4, "num_channels": 4, "affine": False}, [(3, 4, 2, 3)]),
    ("LayerNorm", {"normalized_shape": (3,)}, [(4, 3)]),
    ("PReLU", {"num_parameters": 3}, [(4, 3, 2)]),
    ("RNN", {"input_size": 3, "hidden_size": 2}, [(4, 5, 3), (1, 5, 2)]),
    ("RNN", {"input_size": 3, "hidden_size": 2, "nonlinearity": "relu"}, [(4, 2, 3)]),
    ("RNN", {"input_size": 3, "hidden_size": 2, "bias": False, "num_layers": 2}, [(4, 2, 3)]),
    ("GRU", {"input_size": 3, "hidden_size": 2}, [(4, 5, 3), (1, 5, 2)]),
    ("GRU", {"input_size": 3, "hidden_size": 2, "bias": False, "batch_first": True}, [(2, 4, 3)]),
    ("GRU", {"input_size": 3, "hidden_size": 2}, [(4, 3), (1, 2)]),
    (
        "GRU",
        {"input_size": 3, "hidden_size": 2, "num_layers": 3, "bidirectional": True},
        [(4, 2, 3), (6, 2, 2)],
    ),
    ("LSTM", {"input_size": 3, "hidden_size": 2}, [(4, 5, 3)]),
    ("LSTM", {"input_size": 3, "hidden_size": 2, "bias": False}, [(1, 5, 3)]),
    ("LSTM", {"input_size": 3, "hidden_size": 2, "bidirectional": True}, [(4, 3)]),
    (
        "LSTM",
        {
            "input_size": 3,
            "hidden_size": 2,
            "num_layers": 2,
            "bidirectional": True,
            "batch_first": True,
        },
        [(2, 4, 3)],
    ),
    ("RNNCell", {"input_size": 3, "hidden_size": 2, "nonlinearity": "relu"}, [(4, 3), (4, 2)]),
    ("LSTMCell", {"input_size": 3, "hidden_size": 2}, [(4, 3)]),
    ("GRUCell", {"input_size": 3, "hidden_size": 2, "bias": False}, [(3,), (2,)]),
    ("MultiheadAttention", {"embed_dim": 4, "num_heads": 2}, [(3, 2, 4), (5, 2, 4), (5, 2, 4)]),
    (
        "MultiheadAttention",
        {"embed_dim": 4, "num_heads": 2, "batch_first": True, "bias": False},
        [(2, 3, 4), (2, 5, 4), (2, 5, 4)],
    ),
    (
        "MultiheadAttention",
        {"embed_dim": 4, "num_heads": 1, "kdim": 3, "vdim": 2},
        [(3, 4), (5, 3), (5, 2)],
    ),
    (
        "TransformerEncoderLayer",
        {"d_model": 4, "nhead": 2, "dim_feedforward": 5, "dropout": 0.0},
        [(3, 2, 4)],
    ),
    (
        "TransformerEncoderLayer",
        {
            "d_model": 4,
            "nhead": 2,
            "dim_feedforward": 5,
            "dropout": 0.0,
            "activation": "gelu",
            "batch_first": True,
            "norm_first": True,
        },
        [(2, 3, 4)],
    ),
]


def title(value) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={one}" for key, one in value.items())
    return value if isinstance(value, str) else ""


def flat(outputs) -> list:
    """All the arrays that a layer gives, in order: one, or pairs of them within each other."""
    if outputs is None:
        return []
    if isinstance(outputs, tuple):
        return [array for output in outputs for array in flat(output)]
    return [outputs]


def numbers(shape, seed=0) -> np.ndarray:
    return apart(*shape, seed=seed) / 2


def both(name, settings):
    """Our layer and torch's, in double and with torch's weights."""
    import torch

    manual_seed(0)
    torch.manual_seed(0)
    ours = getattr(nn, name)(**settings).double()
    theirs = getattr(torch.nn, name)(**settings).double()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def weighed_sum(outputs, tensor):
    """One number that depends on every output, each element in its own way."""
    total = 0
    for i, output in enumerate(outputs):
        total = total + (output * tensor(numbers(tuple(output.shape), seed=i + 5))).sum()
    return total


@needs_torch
@pytest.mark.parametrize(("name", "settings", "shapes"), LAYERS, ids=title)
def test_a_layer_is_torchs_in_its_keys_its_values_and_its_gradients(name, settings, shapes):
    import torch

    ours, theirs = both(name, settings)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    arrays = [numbers(shape, i) for i, shape in enumerate(shapes)]
    given = [Tensor(array, requires_grad=True) for array in arrays]
    wanted = [torch.tensor(array, requires_grad=True) for array in arrays]
    found, right = flat(ours(*given)), flat(theirs(*wanted))
    assert len(found) == len(right)
    for one, other in zip(found, right, strict=True):
        assert one.shape == tuple(other.shape)
        assert_close(one.data, other.detach().numpy())
    weighed_sum(found, Tensor).backward()
    weighed_sum(right, torch.from_numpy).backward()
    for one, other in zip(given, wanted, strict=True):
        assert_close(one.grad, other.grad.numpy())
    for (key, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert one.grad is not None, key
        assert_close(one.grad, other.grad.numpy())


@pytest.mark.parametrize(("name", "settings", "shapes"), LAYERS, ids=title)
def test_its_gradients_are_those_of_finite_differences(name, settings, shapes):
    manual_seed(1)
    layer = getattr(nn, name)(**settings).double()
    names = [key for key, _ in layer.named_parameters()]

    def function(*tensors):
        for key, tensor in zip(names, tensors[len(shapes) :], strict=True):
            *path, last = key.split(".")
            home = layer
            for part in path:
                home = getattr(home, part)
            vars(home)[last] = tensor
        return weighed_sum(flat(layer(*tensors[: len(shapes)])), Tensor)

    parameters = [p.data.copy() for p in layer.parameters()]
    assert_differences_agree(function, *map(numbers, shapes), *parameters)


@pytest.mark.parametrize(("name", "settings", "shapes"), LAYERS, ids=title)
def test_a_layer_can_be_made_in_double(name, settings, shapes):
    layer = getattr(nn, name)(**settings, dtype=np.float64)
    assert {p.dtype for p in layer.parameters()} <= {np.dtype(np.float64)}
    outputs = flat(layer(*map(numbers, shapes)))
    assert {one.dtype for one in outputs} == {np.dtype(np.float64)}


LARGE = [
    ("Conv1d", {"in_channels": 40, "out_channels": 50, "kernel_size": 5}),
    ("ConvTranspose2d", {"in_channels": 30, "out_channels": 20, "kernel_size": 3}),
    ("GroupNorm", {"num_groups": 2, "num_channels": 6}),
    ("PReLU", {"init": 0.1}),
    ("RNN", {"input_size": 70, "hidden_size": 64, "num_layers": 2, "bidirectional": True}),
    ("LSTM", {"input_size": 70, "hidden_size": 64}),
    ("GRU", {"input_size": 70, "hidden_size": 64}),
    ("LSTMCell", {"input_size": 70, "hidden_size": 64}),
    ("MultiheadAttention", {"embed_dim": 64, "num_heads": 4}),
    ("MultiheadAttention", {"embed_dim": 64, "num_heads": 4, "kdim": 40, "vdim": 30}),
    ("TransformerEncoderLayer", {"d_model": 64, "nhead": 4, "dim_feedforward": 100}),
]


@needs_torch
@pytest.mark.parametrize(("name", "settings"), LARGE, ids=title)
def test_the_first_weights_have_torchs_size_and_spread(name, settings):
    import torch

    manual_seed(0)
    torch.manual_seed(0)
    ours = dict(getattr(nn, name)(**settings).named_parameters())
    theirs = dict(getattr(torch.nn, name)(**settings).named_parameters())
    for key, parameter in ours.items():
        found, right = parameter.data, theirs[key].detach().numpy()
        if right.std() == 0:
            np.testing.assert_array_equal(found, right)
        else:
            few = 0.5 if right.size < 500 else 0.05
            assert np.abs(found).max() == pytest.approx(np.abs(right).max(), rel=few), key
            assert found.std() == pytest.approx(right.std(), rel=few), key


@pytest.mark.parametrize(("name", "settings", "shapes"), LAYERS, ids=title)
def test_float32_stays_float32(name, settings, shapes):
    layer = getattr(nn, name)(**settings)
    given = [Tensor(numbers(shape).astype(np.float32), requires_grad=True) for shape in shapes]
    outputs = flat(layer(*given))
    weighed_sum(outputs, lambda array: Tensor(array.astype(np.float32))).backward()
    gradients = [one.grad for one in [*given, *layer.parameters()]]
    assert {one.dtype for one in [*outputs, *gradients]} == {np.dtype(np.float32)}


PLAIN = [
    ("Softmax", {"dim": 1}),
    ("LogSoftmax", {"dim": 0}),
    ("ELU", {"alpha": 0.5}),
    ("SELU", {}),
    ("SiLU", {}),
    ("Mish", {}),
    ("Softplus", {"beta": 2, "threshold": 1}),
    ("LogSigmoid", {}),
    ("Hardtanh", {"min_val": -0.5, "max_val": 0.25}),
    ("ReLU6", {}),
    ("Hardswish", {}),
    ("Identity", {"anything": 3}),
    ("MaxPool1d", {"kernel_size": 3, "padding": 1}),
    ("AvgPool1d", {"kernel_size": 2, "stride": 1, "count_include_pad": False}),
    ("AdaptiveAvgPool2d", {"output_size": (2, None)}),
]


@needs_torch
@pytest.mark.parametrize(("name", "settings"), PLAIN, ids=title)
def test_a_layer_without_a_state_takes_torchs_settings(name, settings):
    import torch

    ours, theirs = getattr(nn, name)(**settings), getattr(torch.nn, name)(**settings)
    x = apart(3, 4, 5)
    assert_close(ours(Tensor(x)).data, theirs(torch.tensor(x)).numpy())
    assert repr(ours).startswith(f"{name}(")
    assert ours.state_dict() == {}


@pytest.mark.parametrize(
    "name",
    [
        "ReLU",
        "LeakyReLU",
        "ELU",
        "SELU",
        "SiLU",
        "Mish",
        "Hardtanh",
        "ReLU6",
        "Hardswish",
        "Dropout",
    ],
)
def test_in_place_is_taken_and_leaves_the_input_as_it_is(name):
    layer, plain = getattr(nn, name)(inplace=True), getattr(nn, name)()
    x = Tensor(apart(3, 4))
    assert_close(layer.eval()(x).data, plain.eval()(x).data)
    np.testing.assert_array_equal(x.data, apart(3, 4))
