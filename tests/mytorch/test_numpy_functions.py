"""NumPy's functions on tensors record, or give arrays where no gradient is lost, or raise."""

import numpy as np
import pytest

from tests.mytorch.agreement import apart, assert_close, assert_differences_agree
from thalweg import mytorch
from thalweg.mytorch import Tensor, nn, no_grad
from thalweg.mytorch.numpy_calls import _FUNCTIONS, _UFUNCS

RECORDED = {
    "absolute": lambda x: np.absolute(x),
    "add": lambda x: np.add(1.0, x),
    "ceil": lambda x: np.ceil(x) + x,
    "cos": np.cos,
    "divide": lambda x: np.divide(x, x + 3),
    "exp": np.exp,
    "expm1": np.expm1,
    "floor": lambda x: np.floor(x) + x,
    "log": lambda x: np.log(x + 3),
    "log10": lambda x: np.log10(x + 3),
    "log1p": lambda x: np.log1p(x + 3),
    "log2": lambda x: np.log2(x + 3),
    "matmul": lambda x: np.matmul(np.ones((2, 3)), x),
    "maximum": lambda x: np.maximum(x, 0.1),
    "minimum": lambda x: np.minimum(0.1, x),
    "multiply": lambda x: np.multiply(x, x),
    "negative": np.negative,
    "power": lambda x: np.power(x, 3),
    "reciprocal": lambda x: np.reciprocal(x + 3),
    "rint": lambda x: np.rint(x) + x,
    "sign": lambda x: np.sign(x) * x,
    "sin": np.sin,
    "sqrt": lambda x: np.sqrt(x + 3),
    "square": np.square,
    "subtract": lambda x: np.subtract(x, [1.0, 2.0, 3.0, 4.0]),
    "tanh": np.tanh,
    "amax": lambda x: np.amax(x, axis=0),
    "amin": lambda x: np.amin(x, 1, keepdims=True),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3, 4)),
    "clip": lambda x: np.clip(x, -1, 1),
    "concatenate": lambda x: np.concatenate([x, x * 2], axis=1),
    "cumsum": lambda x: np.cumsum(x, axis=1),
    "expand_dims": lambda x: np.expand_dims(x, 1),
    "max": lambda x: np.max(x),
    "mean": lambda x: np.mean(x, axis=(0, 1)),
    "min": lambda x: np.min(x),
    "prod": lambda x: np.prod(x, axis=0),
    "reshape": lambda x: np.reshape(x, (4, 3)),
    "squeeze": lambda x: np.squeeze(x[:1]),
    "stack": lambda x: np.stack((x, x), axis=-1),
    "std": lambda x: np.std(x),
    "sum": lambda x: np.sum(x, axis=1, keepdims=True),
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "transpose": lambda x: np.transpose(x),
    "var": lambda x: np.var(x, axis=0, ddof=1),
    "where": lambda x: np.where(x > 0, x, -2 * x),
}
QUESTIONS = {
    "all": lambda x: np.all(x > -5, axis=0),
    "any": lambda x: np.any(x > 1),
    "argmax": lambda x: np.argmax(x, axis=1),
    "argmin": lambda x: np.argmin(x),
    "bitwise_and": lambda x: np.bitwise_and(x > 0, x < 1),
    "bitwise_or": lambda x: (x.data > 0) | (x < 1) if isinstance(x, Tensor) else (x > 0) | (x < 1),
    "bitwise_xor": lambda x: np.bitwise_xor(x > 0, x < 1),
    "equal": lambda x: np.equal(x, x),
    "greater": lambda x: np.greater(x, 0),
    "greater_equal": lambda x: np.greater_equal(x, 0),
    "invert": lambda x: np.invert(x > 0),
    "isfinite": np.isfinite,
    "isinf": np.isinf,
    "isnan": np.isnan,
    "less": lambda x: np.less(0, x),
    "less_equal": lambda x: np.less_equal(x, 0),
    "not_equal": lambda x: np.not_equal(x, 0),
}


def test_every_function_that_mytorch_has_too_is_tried():
    named = {f.__name__ for f in [*_UFUNCS, *_FUNCTIONS]}
    assert named - {"amax", "amin"} <= RECORDED.keys() | QUESTIONS.keys()


@pytest.mark.parametrize("name", RECORDED)
def test_numpys_function_records(name):
    assert_differences_agree(RECORDED[name], apart(3, 4))


@pytest.mark.parametrize("name", RECORDED | QUESTIONS)
def test_its_values_are_numpys_and_it_gives_a_tensor_with_or_without_gradient(name):
    function = (RECORDED | QUESTIONS)[name]
    x = apart(3, 4)
    for wants in (False, True):
        found = function(Tensor(x, requires_grad=wants))
        assert isinstance(found, Tensor)
        assert found.requires_grad == (wants and name in RECORDED)
        assert_close(found.data, function(x))


CUTS = {
    "np.array of results": lambda w: np.array([w * 1, w * 2]),
    "np.asarray of a result": lambda w: np.asarray(w * 1),
    "Tensor of results": lambda w: Tensor([w * 1, w * 2]),
    "Tensor of a result": lambda w: Tensor(w * 1),
    "Tensor of leaves": lambda w: Tensor([w, w]),
    "Tensor of nested leaves": lambda w: Tensor([[0.0, w[0]], [w[1], 1.0]]),
    "mytorch.tensor of results": lambda w: mytorch.tensor([w.sum(), w.sum()]),
    "Parameter of a result": lambda w: nn.Parameter(w * 1),
    "a batch of results": lambda w: mytorch.stack([[w * 1]]),
    "vstack": lambda w: np.vstack([w, w]),
    "hstack of results": lambda w: np.hstack([w * 1, w]),
    "append": lambda w: np.append(w, 1.0),
    "linalg.norm": lambda w: np.linalg.norm(w),
    "dot": lambda w: np.dot(np.ones(2), w),
    "einsum": lambda w: np.einsum("i,i", w, w),
    "sum into an array": lambda w: np.sum(w, out=np.zeros(())),
    "sum in another type": lambda w: np.sum(w, dtype=np.float64),
    "an ufunc mytorch lacks": lambda w: np.arctan(w),
    "reduce": lambda w: np.add.reduce(w),
    "elements of an array": lambda w: np.zeros(3).__setitem__([0, 1], w * 1),
    "adding into an array": lambda w: np.zeros(2).__iadd__(w),
    "argsort of a result": lambda w: np.partition(w * 1, 1),
}


@pytest.mark.parametrize("name", CUTS)
def test_what_would_cut_the_graph_says_so_and_how_else(name):
    w = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"use the functions of thalweg.mytorch .*\.detach\(\)"):
        CUTS[name](w)


def test_where_no_gradient_is_at_stake_numpy_computes_on_arrays():
    x = Tensor(np.array([3.0, 1.0, 2.0]))
    assert np.asarray(x) is x.data
    assert type(np.vstack([x, x])) is np.ndarray
    assert np.linalg.norm(x) == np.linalg.norm(x.data)
    assert type(np.arctan(x)) is np.ndarray
    assert np.add.reduce(x) == 6
    assert np.sum(x, dtype=np.float32).dtype == np.float32
    total = np.zeros(3)
    total += x
    assert type(total) is np.ndarray
    assert total.tolist() == [3, 1, 2]
    assert np.array([x, x]).shape == (2, 3)
    w = Tensor(np.ones(3), requires_grad=True)
    with no_grad():
        assert np.linalg.norm(w) == np.sqrt(3)
        assert Tensor([w, w]).shape == (2, 3)
    assert np.asarray(w) is w.data  # a leaf can be looked at


def test_a_look_at_a_tensor_cuts_nothing():
    y = Tensor(np.ones((2, 3)), requires_grad=True) * 2
    assert (np.shape(y), np.ndim(y), np.size(y)) == ((2, 3), 2, 6)
    assert np.allclose(y, 2)
    assert np.array_equal(y, y)
    for made in (np.zeros_like(y), np.ones_like(y), np.full_like(y, 3)):
        assert type(made) is np.ndarray
        assert made.shape == (2, 3)


def test_the_two_ways_out_work():
    a, b = nn.Linear(2, 3), nn.Linear(2, 3)
    x = np.ones((1, 2), np.float32)
    mytorch.cat([a(x), b(x)], dim=1).sum().backward()
    assert a.weight.grad is not None
    assert b.weight.grad is not None
    assert type(np.vstack([a(x).detach(), b(x).detach()])) is np.ndarray


BY_NAME = {
    "broadcast_to": lambda x: np.broadcast_to(array=x, shape=(2, 3, 4)),
    "clip": lambda x: np.clip(a=x, a_min=-1, a_max=1),
    "cumsum": lambda x: np.cumsum(a=x, axis=0),
    "expand_dims": lambda x: np.expand_dims(a=x, axis=-1),
    "squeeze": lambda x: np.squeeze(a=x[:, :1], axis=1),
    "swapaxes": lambda x: np.swapaxes(a=x, axis1=0, axis2=1),
    "transpose": lambda x: np.transpose(a=x, axes=(1, 0)),
    "var": lambda x: np.var(a=x, axis=0, ddof=1, keepdims=True),
    "where": lambda x: np.where(x > 0, x, 0.0),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_numpys_names_of_arguments_are_known(name):
    x = apart(3, 4)
    found = BY_NAME[name](Tensor(x, requires_grad=True))
    assert isinstance(found, Tensor)
    assert_close(found.data, BY_NAME[name](x))
