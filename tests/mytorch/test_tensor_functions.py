"""Every function of tensors: torch's value and gradient, and the gradient of finite differences.

A case is a function of a module, which is mytorch or torch, and of tensors.
"""

import math

import numpy as np
import pytest

from tests.mytorch.agreement import (
    apart,
    assert_differences_agree,
    assert_torch_agrees,
    needs_torch,
)
from thalweg import mytorch
from thalweg.mytorch.tensor import record

X = apart(3, 4)
POSITIVE = apart(3, 4) + 3
DEEP = apart(2, 3, 4)
PAIR = apart(3, 4), apart(3, 4, seed=1)
ROW = apart(3, 4), apart(4, seed=1)
WITH_ZERO = np.where(np.arange(12).reshape(3, 4) % 5 == 2, 0.0, POSITIVE)

POINTWISE = {
    "abs": (lambda m, x: x.abs(), X),
    "neg": (lambda m, x: m.neg(x), X),
    "sign": (lambda m, x: m.sign(x) * x, X),
    "square": (lambda m, x: m.square(x), X),
    "exp": (lambda m, x: m.exp(x), X),
    "expm1": (lambda m, x: x.expm1(), X),
    "log": (lambda m, x: m.log(x), POSITIVE),
    "log1p": (lambda m, x: x.log1p(), POSITIVE),
    "log2": (lambda m, x: x.log2(), POSITIVE),
    "log10": (lambda m, x: x.log10(), POSITIVE),
    "sqrt": (lambda m, x: m.sqrt(x), POSITIVE),
    "rsqrt": (lambda m, x: x.rsqrt(), POSITIVE),
    "reciprocal": (lambda m, x: x.reciprocal(), POSITIVE),
    "sin": (lambda m, x: m.sin(x), X),
    "cos": (lambda m, x: m.cos(x), X),
    "floor": (lambda m, x: x.floor() + x, X),
    "ceil": (lambda m, x: x.ceil() + x, X),
    "round": (lambda m, x: x.round() + x, X),
    "clamp": (lambda m, x: x.clamp(-1.1, 0.9), X),
    "clamp below": (lambda m, x: m.clamp(x, min=0.1), X),
    "clamp above": (lambda m, x: x.clamp(max=0.1), X),
    "clamp, bounds the wrong way round": (lambda m, x: x.clamp(1.0, -1.0), X),
    "relu": (lambda m, x: x.relu(), X),
    "sigmoid": (lambda m, x: x.sigmoid(), X),
    "tanh": (lambda m, x: m.tanh(x), X),
    "softmax": (lambda m, x: x.softmax(-1), X),
    "softmax of the first axis": (lambda m, x: m.softmax(x, dim=0), X),
    "log_softmax": (lambda m, x: x.log_softmax(1), X),
    "maximum": (lambda m, a, b: m.maximum(a, b), *PAIR),
    "maximum with a row": (lambda m, a, b: a.maximum(b), *ROW),
    "minimum": (lambda m, a, b: m.minimum(a, b), *PAIR),
    "minimum with a row": (lambda m, a, b: a.minimum(b), *ROW),
    "max of two": (lambda m, a, b: m.max(a, b), *PAIR),
    "min of two": (lambda m, a, b: m.min(a, b), *PAIR),
    "where": (lambda m, a, b: m.where(a > b, a, b * 2), *PAIR),
    "where, broadcast": (lambda m, a, b: m.where(b > 0, a, b), *ROW),
    "where with a number": (lambda m, x: m.where(x > 0, x, 0.5), X),
    "where with a number first": (lambda m, x: m.where(x > 0, 2, x), X),
    "masked_fill": (lambda m, x: x.masked_fill(x > 0.5, -7.0), X),
    "pow of two tensors": (lambda m, a, b: m.pow(a, b), POSITIVE, X),
    "pow of a row": (lambda m, a, b: a**b, POSITIVE, ROW[1]),
    "a number to a tensor": (lambda m, x: 2.5**x, X),
    "add, sub, mul, div by name": (lambda m, a, b: m.div(a.mul(b), m.add(b.sub(1), 5)), *PAIR),
}

REDUCTIONS = {
    "sum of two axes": (lambda m, x: x.sum((0, 2)), DEEP),
    "sum of a list of axes, kept": (lambda m, x: m.sum(x, [0, -1], keepdim=True), DEEP),
    "sum of no axes is of all": (lambda m, x: x.sum(()), DEEP),
    "mean of two axes": (lambda m, x: m.mean(x, (1, 2)), DEEP),
    "mean kept": (lambda m, x: x.mean(1, keepdim=True), DEEP),
    "var": (lambda m, x: x.var(), X),
    "var, biased": (lambda m, x: x.var(unbiased=False), X),
    "var in the old way": (lambda m, x: x.var(False), X),
    "var of an axis": (lambda m, x: m.var(x, 1), X),
    "var of two axes, kept": (lambda m, x: x.var((0, 2), correction=0, keepdim=True), DEEP),
    "std": (lambda m, x: x.std(), X),
    "std of an axis": (lambda m, x: m.std(x, 0, unbiased=False), X),
    "prod": (lambda m, x: x.prod(), POSITIVE),
    "prod of an axis": (lambda m, x: m.prod(x, 1, keepdim=True), POSITIVE),
    "prod of the first axis": (lambda m, x: x.prod(0), DEEP),
    "prod with a zero": (lambda m, x: x.prod(1), WITH_ZERO),
    "prod with zeros": (lambda m, x: x.prod(), WITH_ZERO),
    "norm": (lambda m, x: x.norm(), X),
    "norm of an axis": (lambda m, x: m.norm(x, dim=1), X),
    "norm, p 1": (lambda m, x: x.norm(1), X),
    "norm, p 3": (lambda m, x: x.norm(3, dim=0), X),
    "norm, p 1.5": (lambda m, x: x.norm(1.5, dim=1, keepdim=True), X),
    "norm, p inf": (lambda m, x: x.norm(math.inf, dim=1), X),
    "norm, fro": (lambda m, x: x.norm("fro"), X),
    "logsumexp": (lambda m, x: x.logsumexp(1), X),
    "logsumexp of two axes": (lambda m, x: m.logsumexp(x, (0, 2), keepdim=True), DEEP),
    "cumsum": (lambda m, x: x.cumsum(1), X),
    "cumsum of the first axis": (lambda m, x: m.cumsum(x, dim=0), X),
}

ORDERING = {
    "max": (lambda m, x: x.max(), X),
    "min": (lambda m, x: m.min(x), X),
    "max of an axis": (lambda m, x: x.max(1).values, X),
    "max of an axis, kept": (lambda m, x: m.max(x, 0, keepdim=True)[0], X),
    "min of an axis": (lambda m, x: x.min(dim=-1)[0], X),
    "amax": (lambda m, x: x.amax((0, 2)), DEEP),
    "amin kept": (lambda m, x: m.amin(x, 1, keepdim=True), DEEP),
    "sort": (lambda m, x: x.sort().values, X),
    "sort downwards": (lambda m, x: m.sort(x, dim=0, descending=True)[0], X),
    "topk": (lambda m, x: x.topk(2).values, X),
    "topk smallest": (lambda m, x: m.topk(x, 2, dim=0, largest=False)[0], X),
}

SHAPES = {
    "view": (lambda m, x: x.view(4, -1), X),
    "view of a tuple": (lambda m, x: x.view((2, 6)), X),
    "flatten": (lambda m, x: x.flatten(1), DEEP),
    "flatten the first": (lambda m, x: m.flatten(x, 0, 1), DEEP),
    "squeeze": (lambda m, x: m.squeeze(x), apart(1, 3, 1)),
    "squeeze one": (lambda m, x: x.squeeze(-1), apart(1, 3, 1)),
    "squeeze two": (lambda m, x: x.squeeze((0, 1)), apart(1, 3, 1)),
    "unsqueeze": (lambda m, x: x.unsqueeze(1), X),
    "unsqueeze behind": (lambda m, x: m.unsqueeze(x, -1), X),
    "permute": (lambda m, x: x.permute(2, 0, -2), DEEP),
    "permute by a tuple": (lambda m, x: m.permute(x, (1, 2, 0)), DEEP),
    "movedim": (lambda m, x: x.movedim(0, -1), DEEP),
    "mT": (lambda m, x: x.mT, DEEP),
    "expand": (lambda m, x: x.expand(2, -1, 4), apart(3, 1)),
    "broadcast_to": (lambda m, x: m.broadcast_to(x, (2, 3, 4)), apart(3, 1)),
    "repeat": (lambda m, x: x.repeat(2, 3, 1), apart(3, 2)),
    "flip": (lambda m, x: x.flip(0, 2), DEEP),
    "flip by a tuple": (lambda m, x: m.flip(x, (1,)), DEEP),
    "tril": (lambda m, x: x.tril(-1), DEEP),
    "triu": (lambda m, x: m.triu(x, diagonal=1), DEEP),
    "cat": (lambda m, a, b: m.cat([a, b]), *PAIR),
    "cat of columns": (lambda m, a, b: m.cat((a, b[:, :2], a), dim=-1), *PAIR),
    "stack": (lambda m, a, b: m.stack([a, b]), *PAIR),
    "stack behind": (lambda m, a, b: m.stack([a, b], dim=-1), *PAIR),
    "split": (lambda m, x: x.split(3, 1)[0] * x.split(3, 1)[1].sum(), X),
    "split by a list": (lambda m, x: m.split(x, [1, 3], dim=1)[1], X),
    "chunk": (lambda m, x: x.chunk(2, 0)[1], X),
    "unbind": (lambda m, x: x.unbind(1)[2] + x.unbind()[0].sum(), X),
    "clone": (lambda m, x: x.clone() * x, X),
    "gather": (lambda m, x: x.gather(1, m.tensor([[0, 0], [3, 1], [2, 2]])), X),
    "gather of fewer rows": (lambda m, x: m.gather(x, 0, m.tensor([[2, 1, 0]])), X),
    "index_select": (lambda m, x: x.index_select(1, m.tensor([3, 0, 3])), X),
    "an index that is a tensor": (lambda m, x: x[m.tensor([2, 0, 2])], X),
    "a mask that is a tensor": (lambda m, x: x[x > 0], X),
    "float and back": (lambda m, x: x.to(m.float64) * 2, X),
}

CASES = POINTWISE | REDUCTIONS | ORDERING | SHAPES


@pytest.mark.parametrize("name", CASES)
def test_a_gradient_is_that_of_finite_differences(name):
    function, *arrays = CASES[name]
    assert_differences_agree(lambda *tensors: function(mytorch, *tensors), *arrays)


@needs_torch
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_are_torchs(name):
    import torch

    function, *arrays = CASES[name]
    assert_torch_agrees(
        lambda *tensors: function(mytorch, *tensors),
        lambda *tensors: function(torch, *tensors),
        *arrays,
    )


TIED = np.array([[1.0, 3.0, 3.0, 0.0], [2.0, 2.0, 2.0, 2.0], [0.0, -1.0, 0.0, -1.0]])
OTHER = np.array([[1.0, 2.0, 4.0, 0.0], [2.0, 1.0, 2.0, 3.0], [0.0, -1.0, 1.0, -2.0]])
AT_THE_EDGE = {
    "max of all shares": (lambda m, x: x.max(), TIED),
    "min of all shares": (lambda m, x: x.min(), TIED),
    "max of an axis takes the first": (lambda m, x: x.max(1).values, TIED),
    "min of an axis takes the first": (lambda m, x: x.min(1).values, TIED),
    "max of the first axis": (lambda m, x: x.max(0).values, TIED),
    "amax shares": (lambda m, x: x.amax(1), TIED),
    "amin shares": (lambda m, x: x.amin((0, 1)), TIED),
    "sort keeps the order of equals": (lambda m, x: x.sort(stable=True).values, TIED),
    "sort downwards, too": (lambda m, x: x.sort(stable=True, descending=True).values, TIED),
    "maximum shares": (lambda m, a, b: m.maximum(a, b), TIED, OTHER),
    "minimum shares": (lambda m, a, b: m.minimum(a, b), TIED, OTHER),
    "abs at zero": (lambda m, x: x.abs(), TIED),
    "relu at zero": (lambda m, x: x.relu(), TIED),
    "clamp at its bounds": (lambda m, x: x.clamp(0, 2), TIED),
    "norm of zeros": (lambda m, x: x.norm(dim=1), TIED * 0),
    "norm of p 1 at zero": (lambda m, x: x.norm(1), TIED),
    "norm of p inf shares": (lambda m, x: x.norm(math.inf), TIED),
    "std of equals": (lambda m, x: x.std(1), TIED),
    "0 to the 0": (lambda m, x: x**0, TIED),
    "0 to tensors of 0 and 1": (lambda m, a, b: a**b, TIED * 0, np.abs(np.sign(OTHER))),
    "prod of two zeros": (lambda m, x: x.prod(1), TIED),
    "logsumexp of large numbers": (lambda m, x: x.logsumexp(1), TIED * 1000),
    "softmax of large numbers": (lambda m, x: x.softmax(1), TIED * 1000),
}


@needs_torch
@pytest.mark.parametrize("name", AT_THE_EDGE)
def test_where_a_function_has_a_corner_its_gradient_is_torchs(name):
    import torch

    function, *arrays = AT_THE_EDGE[name]
    assert_torch_agrees(
        lambda *tensors: function(mytorch, *tensors),
        lambda *tensors: function(torch, *tensors),
        *arrays,
    )


WITHOUT_GRADIENT = {
    "argmax": lambda m, x: x.argmax(),
    "argmax of an axis": lambda m, x: m.argmax(x, 1),
    "argmin kept": lambda m, x: x.argmin(0, keepdim=True),
    "argsort": lambda m, x: x.argsort(stable=True),
    "argsort downwards": lambda m, x: m.argsort(x, dim=0, descending=True, stable=True),
    "max's indices": lambda m, x: x.max(0).indices,
    "min's indices, kept": lambda m, x: x.min(1, keepdim=True).indices,
    "topk's indices": lambda m, x: (2 * x + x.cumsum(1)).topk(1).indices,
    "all": lambda m, x: (x > -1).all(),
    "all of an axis": lambda m, x: (x > 0).all(1),
    "any": lambda m, x: m.any(x > 2),
    "any kept": lambda m, x: (x > 2).any(0, keepdim=True),
    "isnan": lambda m, x: m.isnan(x.log()),
    "isinf": lambda m, x: (1 / x).isinf(),
    "isfinite": lambda m, x: m.isfinite(1 / x),
    "not": lambda m, x: ~(x > 0),
    "and": lambda m, x: (x > 0) & (x < 2),
    "or": lambda m, x: (x < 0) | (x > 2),
    "xor": lambda m, x: (x < 1) ^ (x > 2),
    "bits": lambda m, x: (x.long() & 1) | 2,
    "places": lambda m, x: m.where(x > 1)[1],
    "sum of bools": lambda m, x: (x > 0).sum(),
    "sum of int32": lambda m, x: x.int().sum(0),
    "prod of integers": lambda m, x: x.long().prod(),
    "cumsum of bools": lambda m, x: (x > 0).cumsum(1),
}


@needs_torch
@pytest.mark.parametrize("name", WITHOUT_GRADIENT)
def test_a_function_without_gradient_has_torchs_values_and_type(name):
    import torch

    ours = WITHOUT_GRADIENT[name](mytorch, mytorch.tensor(TIED))
    theirs = WITHOUT_GRADIENT[name](torch, torch.tensor(TIED))
    assert str(theirs.dtype).removeprefix("torch.") == str(ours.dtype)
    assert theirs.shape == ours.shape
    assert theirs.tolist() == ours.tolist()


@pytest.mark.parametrize("name", [name for name in CASES if name != "float and back"])
def test_float32_stays_float32_forward_and_backward(name):
    function, *arrays = CASES[name]
    seen = []

    def probe(array: np.ndarray):
        leaf = mytorch.tensor(array, dtype=np.float32, requires_grad=True)
        return record("probe", leaf.data, (leaf, lambda g: seen.append(g.dtype) or g))

    value = function(mytorch, *map(probe, arrays))
    value.sum().backward()
    assert value.dtype == np.float32
    assert seen == [np.float32] * len(arrays)
