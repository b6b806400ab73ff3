"""What an optimizer refuses: a sentence each, and nothing changes."""

import math

import numpy as np
import pytest

from tests.mytorch.networks import moved, network
from tests.mytorch.steps import (
    assert_same,
    values,
    walk,
    weights,
)
from thalweg.averaging import EMA, SWA
from thalweg.mytorch import Tensor, nn, optim

p = nn.Parameter(np.ones(2))


REFUSED = {
    "no parameters": (lambda: optim.SGD([]), ValueError, "SGD: params must hold at least one"),
    "an empty module": (lambda: optim.SGD(nn.ReLU()), ValueError, "must hold at least one"),
    "one parameter": (lambda: optim.SGD(p), TypeError, "must be a Module, .* got Parameter"),
    "a dict": (lambda: optim.SGD({"params": [p]}), TypeError, "must be a Module, .* got dict"),
    "a set": (lambda: optim.SGD({p}), TypeError, "in order .* got set"),
    "a number": (lambda: optim.SGD(3), TypeError, "must be a Module, .* got int"),
    "arrays": (lambda: optim.SGD([np.ones(2)]), TypeError, "must be a Parameter, got ndarray"),
    "a tensor": (lambda: optim.SGD([Tensor([1.0])]), TypeError, "be a Parameter, got Tensor"),
    "a mixture": (lambda: optim.SGD([p, {"params": [p]}]), TypeError, "Parameter, got dict"),
    "a group of none": (lambda: optim.SGD([{"lr": 1}]), ValueError, r"have 'params', got \['lr'\]"),
    "a group's number": (lambda: optim.SGD([{"params": 3}]), TypeError, "of a group .* got int"),
    "a group's set": (lambda: optim.SGD([{"params": {p}}]), TypeError, "in order, got set"),
    "twice": (lambda: optim.SGD([p, p]), ValueError, "SGD: a parameter comes twice"),
    "two groups": (
        lambda: optim.SGD([{"params": [p]}, {"params": [p]}]),
        ValueError,
        "SGD: a parameter is in more than one group",
    ),
    "half named": (lambda: optim.SGD([("a", p), nn.Parameter([1.0])]), ValueError, "or none"),
    "lr < 0": (lambda: optim.SGD([p], lr=-1), ValueError, "SGD: lr must be >= 0, got -1"),
    "lr in words": (lambda: optim.SGD([p], lr="1"), TypeError, "SGD: lr must be a number, got '1'"),
    "a group's lr": (lambda: optim.SGD([{"params": [p], "lr": math.nan}]), ValueError, "lr must"),
    "lr_decay": (lambda: optim.SGD([p], lr_decay=1), ValueError, "lr_decay must be >= 0 and < 1"),
    "its steps": (lambda: optim.SGD([{"params": [p], "steps": -1}]), ValueError, "SGD: steps must"),
    "half a step": (lambda: optim.SGD([{"params": [p], "steps": 0.5}]), TypeError, "SGD: steps"),
    "its lr_decay": (lambda: optim.SGD([{"params": [p], "lr_decay": -1}]), ValueError, "lr_decay"),
    "nesterov": (lambda: optim.SGD([p], nesterov=True), ValueError, "SGD: .*momentum"),
    "a typing error": (lambda: optim.SGD([p], momentun=1), TypeError, "did you mean 'momentum'"),
    "betas": (lambda: optim.Adam([p], betas=0.9), TypeError, "betas must be 2 numbers, got 0.9"),
    "beta1 > 1": (lambda: optim.Adam([p], beta1=2.0), ValueError, r"betas\[0\] must be"),
    "both betas": (
        lambda: optim.Adam([p], betas=(0.9, 0.9), beta1=0.9),
        TypeError,
        "Adam: give either betas or beta1 and beta2",
    ),
    "a filter": (lambda: optim.AdamW([p], decay_filter="all"), ValueError, "decay_filter must be"),
    "its length": (lambda: optim.AdamW([p], decay_filter=[True] * 2), ValueError, "filter must be"),
    "a predicate": (
        lambda: optim.AdamW([p], decay_filter=lambda name, p: True),
        ValueError,
        "needs the parameters' names",
    ),
    "no decay": (lambda: optim.Rprop([p], decay_filter="no_bias_norm"), TypeError, "has none"),
    "an average": (lambda: optim.SGD([p], average=0.9), TypeError, "average must be None, EMA"),
    "two averages": (
        lambda: optim.SGD([{"params": [p], "average": SWA()}], average=EMA()),
        ValueError,
        "the same kind of average",
    ),
    "the base class": (lambda: optim.Optimizer([p]), TypeError, "what optimizer.rule. builds upon"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_an_optimizer_is_said_in_a_sentence(what):
    attempt, error, sentence = REFUSED[what]
    with pytest.raises(error, match=sentence):
        attempt()


GRADIENTS = {
    "another shape": (np.ones(3), r"of its parameter's shape \(2,\), got float64 of shape \(3,\)"),
    "integers": (np.ones(2, int), r"float32 or float64 array .* got int64"),
    "half precision": (np.ones(2, np.float16), "got float16"),
    "complex": (np.ones(2, complex), "got complex128"),
    "a list": ([1.0, 1.0], r"got list of shape \(2,\)"),
    "a tensor": (Tensor(np.ones(2)), r"in a Tensor; the array in it is its \.data"),
    "a number": (1.0, r"got float of shape \(\)"),
}


@pytest.mark.parametrize("what", GRADIENTS)
def test_a_gradient_that_does_not_fit_moves_nothing(what):
    gradient, sentence = GRADIENTS[what]
    params = weights([(3,), (2,)])
    opt = optim.SGD(params, momentum=0.9, lr_decay=0.5)
    before = values(params)
    params[0].grad, params[1].grad = np.ones(3), gradient
    with pytest.raises(ValueError, match=f"^SGD: a gradient must be a {'.*'}{sentence}"):
        opt.step()
    assert not any(moved(params, before))
    assert opt.state == {}
    assert opt.param_groups[0]["steps"] == 0


def test_a_step_that_fails_leaves_no_state_behind(monkeypatch):
    """Else the next one would not know that it is the first: a buffer starts as the gradient."""
    from thalweg.fuse.work import Work

    p, q = weights([(3,)])[0], weights([(3,)])[0]
    opt, other = optim.SGD([p], momentum=0.9), optim.SGD([q], momentum=0.9)
    p.grad = np.ones(3)

    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Work, "prepare", fail)
        with pytest.raises(KeyboardInterrupt):
            opt.step()
    assert opt.state == {}
    for one in (opt, other):
        walk(one, 2)
    assert_same(
        [p.data, opt.state[p]["momentum_buffer"]], [q.data, other.state[q]["momentum_buffer"]]
    )


@pytest.mark.parametrize(
    ("group", "error", "sentence"),
    [
        ({"params": [p], "lr": -1}, ValueError, "lr must be >= 0"),
        ({"lr": 1}, ValueError, "must have 'params'"),
        ([p], TypeError, "a group must be a dict, got list"),
        ({"params": [p], "average": EMA()}, ValueError, "the same kind of average"),
    ],
)
def test_a_group_that_does_not_fit_is_not_added(group, error, sentence):
    opt = optim.SGD(network())
    with pytest.raises(error, match=sentence):
        opt.add_param_group(group)
    assert len(opt.param_groups) == 1


def test_a_state_that_no_engine_could_read_is_refused():
    (p,) = weights([(2, 3)])
    opt = optim.SGD([p], momentum=0.9)
    walk(opt)
    before = p.data.copy()
    for bad in (np.zeros((3, 2)), np.zeros((2, 3), int), np.zeros((3, 2)).T, 0.0):
        opt.state[p]["momentum_buffer"] = bad
        with pytest.raises(ValueError, match="SGD: the state 'momentum_buffer' must be a C-contig"):
            opt.step()
    assert_same([p.data], [before])
