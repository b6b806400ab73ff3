"""Gradients held within bounds, as torch holds them."""

import math

import numpy as np
import pytest

from tests.mytorch.agreement import apart, assert_close, needs_torch
from thalweg.mytorch import nn
from thalweg.mytorch.nn.utils import clip_grad_norm_, clip_grad_value_, get_total_norm


def parameters() -> list[nn.Parameter]:
    made = [nn.Parameter(np.zeros(shape)) for shape in ((3, 2), (4,), (2,))]
    for i, p in enumerate(made[:2]):
        p.grad = 3 * apart(*p.shape, seed=i)
    return made


def torchs():
    import torch

    made = []
    for p in parameters():
        other = torch.zeros(p.shape, dtype=torch.float64, requires_grad=True)
        other.grad = None if p.grad is None else torch.tensor(p.grad)
        made.append(other)
    return made


@needs_torch
@pytest.mark.parametrize("most", [0.5, 3, 1000])
@pytest.mark.parametrize("kind", [2.0, 1, 3, math.inf, "inf"])
def test_gradients_are_shortened_together_as_in_torch(most, kind):
    import torch

    ours, theirs = parameters(), torchs()
    total = clip_grad_norm_(iter(ours), most, kind)
    wanted = torch.nn.utils.clip_grad_norm_(theirs, most, kind)
    assert_close(total.item(), wanted.item())
    for one, other in zip(ours[:2], theirs, strict=False):
        assert_close(one.grad, other.grad.numpy())
    assert ours[2].grad is None
    assert_close(get_total_norm([p.grad for p in parameters()[:2]], kind).item(), wanted.item())


@needs_torch
def test_each_number_is_held_as_in_torch():
    import torch

    ours, theirs = parameters(), torchs()
    clip_grad_value_(ours, 1.5)
    torch.nn.utils.clip_grad_value_(theirs, 1.5)
    for one, other in zip(ours[:2], theirs, strict=False):
        assert_close(one.grad, other.grad.numpy())


def test_clipping_writes_into_the_gradients_and_keeps_their_type():
    p = nn.Parameter(np.zeros(3, np.float32))
    gradient = p.grad = np.array([3, 4, 0], np.float32)
    total = clip_grad_norm_(p, 1)
    assert p.grad is gradient
    assert (total.dtype, gradient.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(gradient, [0.6, 0.8, 0], rtol=1e-6)


def test_a_parameter_given_twice_is_shortened_once():
    p = nn.Parameter(np.zeros(2))
    p.grad = np.array([3.0, 4.0])
    assert clip_grad_norm_([p, p], 2.5).item() == 5
    assert_close(p.grad, np.array([3, 4]) * (2.5 / (5 + 1e-6)))


def test_no_gradient_of_float32_is_too_large_for_the_norm():
    p = nn.Parameter(np.zeros(2, np.float32))
    p.grad = np.array([3e30, 4e30], np.float32)
    assert clip_grad_norm_(p, 1).item() == pytest.approx(5e30)
    np.testing.assert_allclose(p.grad, [0.6, 0.8], rtol=1e-6)


def test_nothing_to_clip_is_a_norm_of_zero():
    assert clip_grad_norm_([], 1).item() == 0
    assert clip_grad_norm_(nn.Linear(2, 2).parameters(), 1).item() == 0


def test_a_module_stands_for_its_parameters():
    layers = nn.Sequential(nn.Linear(2, 2))
    for p in layers.parameters():
        p.grad = np.full(p.shape, 2, np.float32)
    clip_grad_value_(layers, 1)
    assert all((p.grad == 1).all() for p in layers.parameters())


def test_a_norm_that_is_not_finite_is_refused_where_asked_and_nothing_changes():
    ours = parameters()
    ours[0].grad[0, 0] = math.nan
    before = [p.grad.copy() for p in ours[:2]]
    with pytest.raises(RuntimeError, match="the norm of the gradients must be finite, got nan"):
        clip_grad_norm_(ours, 1, error_if_nonfinite=True)
    for one, other in zip(ours[:2], before, strict=True):
        np.testing.assert_array_equal(one.grad, other)


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (lambda: clip_grad_norm_(parameters(), -1), ValueError, "max_norm must be at least 0, got"),
        (
            lambda: clip_grad_norm_(parameters(), 1, 0),
            ValueError,
            "norm_type must be above 0 or in",
        ),
        (
            lambda: clip_grad_value_(parameters(), -1),
            ValueError,
            "clip_value must be at least 0, g",
        ),
        (lambda: clip_grad_norm_([nn.ReLU()], 1), TypeError, "must be a Module or its parameters"),
        (lambda: clip_grad_norm_([np.ones(2)], 1), TypeError, "as model.parameters.* got ndarray"),
    ],
)
def test_what_cannot_be_clipped_is_said_in_a_sentence(attempt, error, sentence):
    with pytest.raises(error, match=sentence):
        attempt()
