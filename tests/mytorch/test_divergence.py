"""A training that diverges: infinity and NaN in silence, and one word about the loss."""

import warnings

import numpy as np
import pytest

from thalweg import mytorch
from thalweg.lab.backends.mytorch import accuracy, backward, build, loss_of, score
from thalweg.lab.tasks.layers import mlp
from thalweg.lab.tasks.task import Material
from thalweg.mytorch import Tensor, data, nn, no_grad, optim

LARGE = np.array([[1e30, -1e30], [np.inf, np.nan], [0.0, -0.0]], np.float32)
LOUD = {
    "add": lambda x: x * 1e8 + x,
    "subtract": lambda x: x - x,
    "multiply": lambda x: x * x,
    "divide": lambda x: x / x,
    "power": lambda x: x**3,
    "power of tensors": lambda x: x**x,
    "matmul": lambda x: x @ x.T,
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "sqrt": lambda x: (-x).sqrt(),
    "rsqrt": lambda x: x.rsqrt(),
    "reciprocal": lambda x: x.reciprocal(),
    "sin": lambda x: x.sin(),
    "sum": lambda x: (x * 1e8).sum(0),
    "mean": lambda x: (x * 1e8).mean(1),
    "var": lambda x: x.var(),
    "std": lambda x: x.std(1),
    "prod": lambda x: x.prod(),
    "norm": lambda x: x.norm(),
    "logsumexp": lambda x: x.logsumexp(0),
    "cumsum": lambda x: x.cumsum(0),
    "maximum": lambda x: x.maximum(0.5),
    "clamp": lambda x: x.clamp(-1, 1),
    "where": lambda x: mytorch.where(x > 0, x, 1 / x),
    "softmax": lambda x: x.softmax(1),
    "log_softmax": lambda x: x.log_softmax(1),
    "sigmoid": lambda x: x.sigmoid(),
    "tanh": lambda x: x.tanh(),
    "mse_loss": lambda x: nn.functional.mse_loss(x, x * 0),
    "cross_entropy": lambda x: nn.functional.cross_entropy(x, np.array([0, 1, 0])),
    "linear": lambda x: nn.functional.linear(x, x[:2] * 1e8),
    "layer_norm": lambda x: nn.functional.layer_norm(x, (2,)),
    "a layer": lambda x: nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))(x),
    "numpy's exp": lambda x: np.exp(x),
}


@pytest.mark.parametrize("name", LOUD)
def test_no_op_warns_of_infinity_or_nan(name):
    x = Tensor(LARGE, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = LOUD[name](x)
        value.backward(np.ones(value.shape))
    assert x.grad is not None


def test_numpy_beside_still_warns():
    model = nn.Linear(2, 1)
    model(LARGE).backward(np.ones((3, 1)))
    with pytest.warns(RuntimeWarning, match="overflow"):
        _ = LARGE * LARGE


def test_numpys_settings_are_afterwards_as_they_were():
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.Linear(2, 1))
    with np.errstate(over="raise", divide="print"):
        before = np.geterr()
        model(LARGE).backward(np.ones((3, 1)))
        with pytest.raises(ValueError, match="linear: input"):
            model(np.ones(3))
        assert np.geterr() == before


def diverge(model: nn.Module, steps: int = 60) -> list[float]:
    opt = optim.SGD(model, lr=1e4)
    x = Tensor(np.linspace(-1, 1, 32, dtype=np.float32).reshape(16, 2))
    losses = []
    for _ in range(steps):
        opt.zero_grad()
        loss = ((model(x) ** 2 - x.sum(1, keepdim=True)) ** 2).mean()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return losses


def test_a_training_that_diverges_says_so_once():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        losses = diverge(nn.Linear(2, 1))
    assert np.isnan(losses[-1])
    assert not np.isnan(losses[0])
    assert [(one.category, one.filename) for one in told] == [(RuntimeWarning, __file__)]
    assert str(told[0].message).startswith("backward: the loss is NaN, and after one more step")


def test_each_model_is_told_of():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            diverge(nn.Linear(2, 1))
    assert len(told) == 2


def test_a_warning_made_an_error_stops_before_any_gradient():
    x = Tensor([np.nan], requires_grad=True)
    with pytest.warns(RuntimeWarning, match="the loss is NaN"):
        (x * 2).sum().backward()
    y = Tensor([np.nan], requires_grad=True)
    loss = (y * 2).sum()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="the loss is NaN"):
            loss.backward()
    assert y.grad is None


def test_a_loss_that_is_infinite_or_has_no_gradient_says_nothing():
    x = Tensor([1e30], requires_grad=True)
    (x * 1e30).sum().backward()
    with no_grad():
        assert np.isnan((x * np.nan).sum().item())
    (x * np.array([np.nan])).backward(np.ones(1))  # no loss, but a gradient that was given


def test_the_labs_trainings_diverge_in_silence():
    model = build(mlp((64,), 10, np.random.default_rng(0)))
    for parameter in model.parameters():
        parameter.data[...] = np.nan
    images, labels = data.digits(train=False).arrays
    batch = images[:8].reshape(8, 64), labels[:8]
    material = Material(model, loss_of(10), [batch], [batch], [batch], accuracy)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(backward(material, batch))
        assert np.isnan(score(material, [batch]).loss)
