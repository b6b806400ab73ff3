"""`gradcheck` finds wrong gradients and lets right ones pass; `summary` counts."""

import numpy as np
import pytest

from thalweg.mytorch import Tensor, get_rng_state, gradcheck, manual_seed, nn, summary
from thalweg.mytorch.nn import functional as F
from thalweg.mytorch.tensor import record

X = np.random.default_rng(0).normal(size=(3, 4))


def leaf(array=X) -> Tensor:
    return Tensor(np.array(array), requires_grad=True)


def cube(x: Tensor, slope=3.0) -> Tensor:
    """With slope=3.0, as it ought to be."""
    return record("cube", x.data**3, (x, lambda g: g * slope * x.data**2))


def test_right_gradients_pass_and_wrong_ones_are_named():
    assert gradcheck(cube, leaf()) is True
    with pytest.raises(ValueError, match=r"the gradient of input 0 at \(0, 0\) must be .*, got "):
        gradcheck(lambda x: cube(x, 2.0), leaf())
    assert gradcheck(lambda x: cube(x, 2.0), leaf(), raise_exception=False) is False
    assert not gradcheck(lambda x: cube(x, np.nan), leaf(), raise_exception=False)
    with pytest.raises(ValueError, match="the gradient of input 1 at"):
        gradcheck(lambda x, y: x * 2 + cube(y, 2.0), (leaf(), leaf()))


def test_a_gradient_that_is_lost_on_the_way_is_found():
    with pytest.raises(ValueError, match=r"gradient of input 0 .* got 0$"):
        gradcheck(lambda x: Tensor(x.data * 2) + (x * 0).sum(), leaf())


def test_a_modules_parameters_are_checked_too():
    class Scale(nn.Module):
        def __init__(self):
            self.factor = nn.Parameter(np.array([2.0]))
            self.wrong = False

        def forward(self, x):
            factor = Tensor(self.factor.data) if self.wrong else self.factor
            return x * factor + self.factor * 0

    layer = Scale()
    assert gradcheck(layer, leaf())
    layer.wrong = True
    with pytest.raises(ValueError, match="the gradient of factor at"):
        gradcheck(layer, leaf())


def test_all_outputs_are_checked_and_other_inputs_pass_by():
    assert gradcheck(nn.LSTM(4, 2).double(), (leaf(X[None]),))
    assert gradcheck(F.cross_entropy, (leaf(), np.array([0, 3, 1])))


def test_what_is_checked_is_afterwards_as_it_was():
    manual_seed(0)
    layer = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).double()
    x = leaf()
    x.grad = np.ones_like(X)
    before, gradient = layer.state_dict(), x.grad
    assert gradcheck(layer, x)
    assert x.grad is gradient
    assert (gradient == 1).all()
    assert all(p.grad is None for p in layer.parameters())
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (lambda: gradcheck(cube, Tensor(X)), ValueError, "at least one input must have requires_g"),
        (
            lambda: gradcheck(cube, leaf(X.astype("f"))),
            TypeError,
            "input 0 must be float64, got fl",
        ),
        (lambda: gradcheck(nn.Linear(4, 2), Tensor(X)), TypeError, "weight must be float64, got"),
        (lambda: summary(3), TypeError, "summary: model must be a Module, got int"),
    ],
)
def test_what_cannot_be_checked_is_said_in_a_sentence(attempt, error, sentence):
    with pytest.raises(error, match=sentence):
        attempt()


def test_a_summary_counts_parameters_and_shows_what_each_layer_gives():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    model[1].requires_grad_(False)
    found = summary(model, np.ones((1, 2, 2), np.float32))
    assert (found.parameters, found.trainable) == (29, 14)
    assert [(row.kind, row.shape, row.parameters) for row in found.rows] == [
        ("Sequential", (1, 2), 0),
        ("Flatten", (1, 4), 0),
        ("Linear", (1, 3), 15),
        ("BatchNorm1d", (1, 3), 6),
        ("Linear", (1, 2), 8),
    ]
    text = str(found)
    assert text.splitlines()[-1] == "29 parameters, 15 of them held fixed"
    assert max(map(len, text.splitlines())) < 80


def test_a_summary_leaves_nothing_behind():
    manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    before, state = model.state_dict(), get_rng_state()
    summary(model, np.ones((2, 4), np.float32))
    assert get_rng_state() == state
    assert all(module.training for module in model.modules())
    assert all("forward" not in vars(module) for module in model.modules())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_a_summary_counts_a_shared_parameter_once_and_needs_no_input():
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    found = summary(model)
    assert found.parameters == 9
    assert [row.parameters for row in found.rows] == [0, 9, 0]
    assert {row.shape for row in found.rows} == {None}
    assert summary(nn.LSTM(3, 2), np.ones((4, 1, 3), np.float32)).rows[0].shape == (4, 1, 2)
