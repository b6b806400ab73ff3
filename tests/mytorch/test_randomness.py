"""Initial weights, dropout and the one generator behind them."""

import json
import math

import numpy as np
import pytest

from tests.mytorch.agreement import needs_torch
from thalweg.mytorch import Tensor, get_rng_state, manual_seed, nn, set_rng_state
from thalweg.mytorch.nn import init

SHAPES = {"Linear": (300, 200), "Conv2d": (60, 50, 3, 5), "Embedding": (300, 200)}


def layer(of, name: str):
    out, into, *kernel = SHAPES[name]
    if name == "Embedding":
        return of.Embedding(out, into)
    return getattr(of, name)(into, out, *[tuple(kernel)] if kernel else [])


def moments(values) -> list[float]:
    """Mean, variance and fourth moment over the variance squared: 1.8 if uniform, 3 if normal."""
    values = np.asarray(values, np.float64)
    variance = values.var()
    return [values.mean(), variance, np.mean((values - values.mean()) ** 4) / variance**2]


@needs_torch
@pytest.mark.parametrize("name", SHAPES)
def test_layers_start_as_torchs_do(name):
    import torch

    manual_seed(0)
    torch.manual_seed(0)
    ours, theirs = layer(nn, name), layer(torch.nn, name)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert one.shape == tuple(other.shape)
        other = other.detach().numpy()
        spread, count = other.std(), other.size
        mean, variance, shape = moments(one.data)
        assert abs(mean - other.mean()) < 6 * spread / math.sqrt(count)
        assert variance == pytest.approx(other.var(), rel=12 / math.sqrt(count))
        assert shape == pytest.approx(moments(other)[2], rel=30 / math.sqrt(count))
        if name != "Embedding":
            assert np.abs(one.data).max() == pytest.approx(np.abs(other).max(), rel=0.05)


SCHEMES = [
    ("kaiming_uniform_", {}),
    ("kaiming_uniform_", {"a": 0.5, "mode": "fan_out"}),
    ("kaiming_uniform_", {"nonlinearity": "tanh"}),
    ("kaiming_normal_", {"nonlinearity": "relu"}),
    ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "sigmoid"}),
    ("xavier_uniform_", {}),
    ("xavier_uniform_", {"gain": 3.0}),
    ("xavier_normal_", {"gain": 0.1}),
    ("uniform_", {"a": -1.0, "b": 3.0}),
    ("normal_", {"mean": 2.0, "std": 0.5}),
    ("constant_", {"val": 0.25}),
    ("ones_", {}),
    ("zeros_", {}),
]


def test_every_scheme_is_compared():
    assert {name for name, _ in SCHEMES} | {"calculate_gain"} == set(init.__all__)


@needs_torch
@pytest.mark.parametrize(("name", "options"), SCHEMES)
def test_a_scheme_is_torchs(name, options):
    import torch

    manual_seed(0)
    torch.manual_seed(0)
    ours = nn.Parameter(np.empty((60, 50, 3, 5), np.float32))
    address = ours.data.ctypes.data
    assert getattr(init, name)(ours, **options) is ours
    theirs = getattr(torch.nn.init, name)(torch.empty(60, 50, 3, 5), **options).double().numpy()
    assert ours.data.ctypes.data == address
    assert ours.data.mean() == pytest.approx(theirs.mean(), abs=0.02 * theirs.std() + 1e-7)
    assert ours.data.std() == pytest.approx(theirs.std(), rel=0.02)
    if theirs.std() > 0:
        assert moments(ours.data)[2] == pytest.approx(moments(theirs)[2], rel=0.05)


@needs_torch
@pytest.mark.parametrize("name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu"])
def test_gains_are_torchs(name):
    from torch.nn import init as theirs

    assert init.calculate_gain(name) == pytest.approx(theirs.calculate_gain(name), rel=1e-15)
    if name == "leaky_relu":
        assert init.calculate_gain(name, 0.3) == theirs.calculate_gain(name, 0.3)


@pytest.mark.parametrize(
    ("attempt", "sentence"),
    [
        (lambda p: init.kaiming_normal_(nn.Parameter([1.0])), r"must be \(out, in, ...\) and not"),
        (lambda p: init.kaiming_normal_(p, mode="fan"), "mode must be 'fan_in' or 'fan_out', got"),
        (lambda p: init.kaiming_normal_(p, nonlinearity="gelu"), "must be one of linear, .*'gelu'"),
        (lambda p: manual_seed(-1), "seed must be a whole number of at least 0, got -1"),
        (lambda p: manual_seed(1.5), "seed must be a whole number of at least 0, got 1.5"),
        (lambda p: set_rng_state({"bit_generator": "x"}), "must be what get_rng_state gave, got"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_sentence(attempt, sentence):
    with pytest.raises(ValueError, match=sentence):
        attempt(nn.Parameter(np.ones((2, 2))))


def draw() -> list[np.ndarray]:
    dropped = nn.Dropout(0.5)(np.ones(50, np.float32))
    return [dropped.data, *nn.Linear(3, 4).state_dict().values()]


def same(some, others) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


def test_a_seed_repeats_everything_that_is_drawn():
    manual_seed(5)
    first = draw()
    other = draw()
    manual_seed(5)
    assert same(first, draw())
    assert not same(first, other)


def test_a_saved_state_goes_on_where_it_was_even_through_json():
    manual_seed(6)
    draw()
    state = json.dumps(get_rng_state())
    first = draw()
    set_rng_state(json.loads(state))
    assert same(first, draw())


@pytest.mark.parametrize("p", [0.0, 0.3, 0.9])
def test_dropout_keeps_the_mean_and_its_gradient_drops_the_same(p):
    manual_seed(1)
    x = Tensor(np.ones((200, 500), np.float32), requires_grad=True)
    y = nn.Dropout(p)(x)
    y.sum().backward()
    kept = np.float32(1) / np.float32(1 - p)
    assert set(np.unique(y.data)) <= {np.float32(0), kept}
    assert np.mean(y.data == 0) == pytest.approx(p, abs=0.01)
    np.testing.assert_array_equal(x.grad, y.data)


def test_dropout_does_nothing_in_evaluation():
    x = Tensor(np.ones(5, np.float32))
    assert nn.Dropout(0.9).eval()(x) is x
