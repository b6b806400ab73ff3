"""Losses as modules, at the edges of what they take, and what they refuse."""

import numpy as np
import pytest

from tests.mytorch.agreement import assert_close, needs_torch
from thalweg.mytorch import Tensor, nn
from thalweg.mytorch.nn import functional as F

RANDOM = np.random.default_rng(0)
X, TRUTH, WEIGHT = RANDOM.normal(size=(6, 4)), RANDOM.random((6, 4)), RANDOM.random(4)

SETTINGS = [
    ("L1Loss", {"reduction": "sum"}, X),
    ("L1Loss", {}, X),
    ("HuberLoss", {"delta": 0.3}, X),
    ("HuberLoss", {"reduction": "none"}, X),
    ("SmoothL1Loss", {"beta": 0.3, "reduction": "none"}, X),
    ("SmoothL1Loss", {"beta": 0.0}, X),
    ("BCELoss", {"weight": WEIGHT}, TRUTH[::-1].copy()),
    ("BCELoss", {"reduction": "none"}, TRUTH[::-1].copy()),
    ("KLDivLoss", {"reduction": "batchmean"}, X),
    ("KLDivLoss", {"reduction": "sum", "log_target": True}, X),
]


def title(value) -> str:
    return " ".join(value) if isinstance(value, dict) else value if isinstance(value, str) else ""


@needs_torch
@pytest.mark.parametrize(("name", "settings", "x"), SETTINGS, ids=title)
def test_a_loss_takes_torchs_settings(name, settings, x):
    import torch

    tensors = {k: torch.tensor(v) if k == "weight" else v for k, v in settings.items()}
    ours, theirs = getattr(nn, name)(**settings), getattr(torch.nn, name)(**tensors)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    found = ours(Tensor(x), Tensor(TRUTH))
    assert_close(found.data, theirs(torch.tensor(x), torch.tensor(TRUTH)).numpy())


@needs_torch
def test_kl_divs_mean_is_torchs_mean_over_elements():
    import torch

    with pytest.warns(UserWarning, match="batchmean"):
        wanted = torch.nn.KLDivLoss()(torch.tensor(X), torch.tensor(TRUTH))
    assert_close(nn.KLDivLoss()(X, TRUTH).item(), wanted.item())


@needs_torch
def test_certain_probabilities_cost_what_they_cost_in_torch():
    import torch

    x, y = np.array([0.0, 1.0, 0.0, 1.0, 0.5]), np.array([0.0, 1.0, 1.0, 0.0, 0.0])
    ours, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    found = F.binary_cross_entropy(ours, y)
    wanted = torch.nn.functional.binary_cross_entropy(theirs, torch.tensor(y))
    found.backward()
    wanted.backward()
    assert_close(found.item(), wanted.item())
    # torch's least denominator, 1e-12, is rounded to float32
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), rtol=1e-8)


@needs_torch
def test_a_class_of_probability_zero_adds_nothing_to_the_divergence():
    import torch

    target = np.array([[0.0, 0.25, 0.75]])
    ours, theirs = Tensor(X[:1, :3], requires_grad=True), torch.tensor(X[:1, :3])
    found = F.kl_div(ours, target, reduction="batchmean")
    wanted = torch.nn.functional.kl_div(theirs, torch.tensor(target), reduction="batchmean")
    found.backward()
    assert_close(found.item(), wanted.item())
    assert_close(ours.grad, -target)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [90.0, 800.0])
def test_numbers_of_any_size_give_finite_values_and_gradients_and_no_warning(size, dtype):
    for name in ("elu", "selu", "silu", "mish", "softplus", "logsigmoid", "hardswish", "softmax"):
        x = Tensor(np.array([[size, -size, 0]], dtype), requires_grad=True)
        y = getattr(F, name)(x)
        y.sum().backward()
        assert np.isfinite(y.data).all(), name
        assert np.isfinite(x.grad).all(), name
        assert {y.dtype, x.grad.dtype} == {np.dtype(dtype)}, name


@pytest.mark.parametrize("name", ["l1_loss", "huber_loss", "smooth_l1_loss", "kl_div"])
def test_a_loss_of_float32_is_float32(name):
    x = Tensor(X.astype(np.float32), requires_grad=True)
    loss = getattr(F, name)(x, TRUTH.astype(np.float32), reduction="sum")
    loss.backward()
    assert (loss.dtype, x.grad.dtype) == (np.float32, np.float32)


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (lambda: nn.L1Loss()(X, TRUTH[:, :1]), ValueError, "l1_loss: input .* the same shape"),
        (lambda: nn.L1Loss(reduction="batchmean"), ValueError, "L1Loss: reduction must be 'mean',"),
        (lambda: nn.KLDivLoss(reduction="avg"), ValueError, "KLDivLoss: reduction must be 'mean',"),
        (lambda: nn.HuberLoss(delta=0), ValueError, "HuberLoss: delta must be above 0, got 0"),
        (lambda: F.huber_loss(X, TRUTH, delta=-1), ValueError, "huber_loss: delta must be above 0"),
        (
            lambda: nn.SmoothL1Loss(beta=-1),
            ValueError,
            "SmoothL1Loss: beta must be at least 0, got",
        ),
        (
            lambda: nn.BCELoss()(X, TRUTH),
            ValueError,
            "input must be probabilities from 0 to 1, got",
        ),
        (lambda: nn.BCELoss()(TRUTH, X), ValueError, "target must be probabilities from 0 to 1, g"),
        (
            lambda: nn.BCELoss(weight=np.ones(3))(TRUTH, TRUTH),
            ValueError,
            r"weight must broadcast to the input's shape \(6, 4\), got \(3,\)",
        ),
        (
            lambda: F.kl_div(1.0, 2.0, reduction="batchmean"),
            ValueError,
            "batchmean' needs a batch, got one number",
        ),
        (lambda: nn.Hardtanh(1, 1), ValueError, "min_val must be below max_val, got 1 and 1"),
        (lambda: nn.PReLU(3)(X.astype("f")), ValueError, r"prelu: weight must have one number, or"),
        (lambda: nn.Softmax(2)(X), ValueError, r"softmax: shape \(6, 4\) has no axis 2"),
        (lambda: nn.GroupNorm(3, 4), ValueError, "num_groups must divide the 4 channels, got num_"),
        (lambda: nn.GroupNorm(2, 6)(X), ValueError, "axis 1 of the input must be 6 long"),
        (lambda: nn.Conv1d(4, 2, 3)(X.astype("f")), ValueError, r"conv1d: input \(6, 4\) and weig"),
        (lambda: nn.Conv1d(4, 2, (3, 3)), ValueError, "kernel_size must be a whole number of at"),
        (lambda: nn.MaxPool1d(2)(X), ValueError, r"max_pool1d: input must be \(N, C, L\), got"),
        (lambda: nn.ConvTranspose2d(4, 2, 3, output_padding=1), ValueError, "must be smaller than"),
        (
            lambda: nn.ConvTranspose2d(4, 2, 1, padding=2)(np.ones((1, 4, 3, 3), np.float32)),
            ValueError,
            r"leaves nothing with padding \(2, 2\): the result would be \(-1, -1\)",
        ),
        (
            lambda: nn.AdaptiveAvgPool2d(0),
            ValueError,
            "output_size must be one or two whole number",
        ),
        (lambda: nn.AdaptiveAvgPool2d(1)(X), ValueError, r"input must be \(N, C, H, W\), got"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(attempt, error, sentence):
    with pytest.raises(error, match=sentence):
        attempt()
