"""Each function of nn.functional: finite differences, and torch's function of the same name."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mytorch.agreement import (
    apart,
    assert_differences_agree,
    assert_torch_agrees,
    needs_torch,
)
from tests.mytorch.function_cases import CASES
from thalweg.mytorch import Tensor
from thalweg.mytorch.nn import conv
from thalweg.mytorch.nn import functional as F


def title(value) -> str | None:
    return " ".join(value) if isinstance(value, dict) else value if isinstance(value, str) else ""


def test_every_function_has_a_case():
    assert {name for name, _, _ in CASES} == set(F.__all__)


# A padding row's gradient is zero because it is to stay as it is, not because it has no effect.
SMOOTH = [case for case in CASES if "padding_idx" not in case[2]]


@pytest.mark.parametrize(("name", "arrays", "options"), SMOOTH, ids=title)
def test_gradients_are_those_of_finite_differences(name, arrays, options):
    assert_differences_agree(lambda *a: getattr(F, name)(*a, **options), *arrays)


@needs_torch
@pytest.mark.parametrize(("name", "arrays", "options"), CASES, ids=title)
def test_values_and_gradients_are_torchs(name, arrays, options):
    import torch

    theirs = getattr(torch if name == "flatten" else torch.nn.functional, name)
    tensors = {
        key: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for key, value in options.items()
    }
    assert_torch_agrees(
        lambda *a: getattr(F, name)(*a, **options), lambda *a: theirs(*a, **tensors), *arrays
    )


@st.composite
def windows(draw, pool: bool):
    """An image's size, and a window that fits into it."""
    settings = {
        "stride": (draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        "dilation": (draw(st.integers(1, 2)), draw(st.integers(1, 2))),
    }
    kernel = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    most = [k // 2 if pool else 3 for k in kernel]
    settings["padding"] = draw(st.integers(0, most[0])), draw(st.integers(0, most[1]))
    size = [
        # at least d: torch sends the gradient of a window of nothing but padding somewhere
        draw(st.integers(max(d, d * (k - 1) + 1 - 2 * p), 8))
        for k, d, p in zip(kernel, settings["dilation"], settings["padding"], strict=True)
    ]
    return size, kernel, settings


@needs_torch
@given(
    windows(pool=False),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from([1, 400, conv.TILE]),
)
def test_a_convolution_of_any_shape_is_torchs(window, images, channels, groups, tile):
    from torch.nn import functional as theirs

    size, kernel, options = window
    options = {**options, "groups": groups}
    arrays = [
        apart(images, channels * groups, *size),
        apart(2 * groups, channels, *kernel),
        apart(2 * groups),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv, "TILE", tile)
        assert_torch_agrees(
            lambda x, w, b: F.conv2d(x, w, b, **options),
            lambda x, w, b: theirs.conv2d(x, w, b, **options),
            *arrays,
        )


@needs_torch
@given(windows(pool=True), st.integers(1, 3), st.booleans())
def test_pooling_of_any_shape_is_torchs(window, images, with_ties):
    from torch.nn import functional as theirs

    size, kernel, options = window
    image = apart(images, 2, *size)
    if with_ties:  # as after a ReLU: the first of equal values gets the gradient
        image = np.maximum(np.rint(image), 0)
    assert_torch_agrees(
        lambda x: F.max_pool2d(x, kernel, **options),
        lambda x: theirs.max_pool2d(x, kernel, **options),
        image,
    )
    del options["dilation"]
    assert_torch_agrees(
        lambda x: F.avg_pool2d(x, kernel, **options),
        lambda x: theirs.avg_pool2d(x, kernel, **options),
        image,
    )


@needs_torch
@given(
    st.lists(st.integers(0, 3), max_size=2), st.integers(1, 4), st.integers(1, 5), st.integers(1, 4)
)
def test_rows_of_any_shape_are_torchs(lead, batch, into, out):
    from torch.nn import functional as theirs

    x, w, b = apart(*lead, batch, into), apart(out, into), apart(out)
    assert_torch_agrees(F.linear, theirs.linear, x, w, b)
    for name in ("relu", "gelu", "sigmoid", "tanh"):
        assert_torch_agrees(getattr(F, name), getattr(theirs, name), x)
    if x.size:
        assert_torch_agrees(
            lambda x: F.layer_norm(x, (batch, into)),
            lambda x: theirs.layer_norm(x, (batch, into)),
            x,
        )


@needs_torch
@given(st.data())
def test_losses_of_any_shape_are_torchs(data):
    import torch
    from torch.nn import functional as theirs

    classes = data.draw(st.integers(1, 5))
    shape = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    labels = random.integers(0, classes, shape)
    labels.flat[1:][random.random(labels.size - 1) < 0.3] = -100
    weight = random.random(classes) + 0.1
    options = {"reduction": data.draw(st.sampled_from(["mean", "sum", "none"]))}
    smoothing = data.draw(st.sampled_from([0.0, 0.2, 1.0]))
    scores = 3 * apart(shape[0], classes, *shape[1:])
    assert_torch_agrees(
        lambda x, y: F.cross_entropy(x, y, weight, label_smoothing=smoothing, **options),
        lambda x, y: theirs.cross_entropy(
            x, y, torch.from_numpy(weight), label_smoothing=smoothing, **options
        ),
        scores,
        labels,
    )
    assert_torch_agrees(
        lambda x, y: F.nll_loss(x, y, weight, **options),
        lambda x, y: theirs.nll_loss(x, y, torch.from_numpy(weight), **options),
        scores,
        labels,
    )


def test_the_error_function_within_gelu_is_exact_to_the_last_bits():
    x = np.concatenate([np.linspace(-8, 8, 40001), [0.0, -0.0, 1e-300, 5e-9, -40, np.inf]])
    with np.errstate(invalid="ignore"):  # -inf times zero
        phi = F.gelu(x).data / np.where(x == 0, 1, x)
    with np.errstate(invalid="ignore"):
        exact = np.array([0.5 * (1 + math.erf(one / math.sqrt(2))) for one in x])
    assert np.abs(phi - exact)[(x != 0) & np.isfinite(x)].max() < 3e-16
    assert np.isnan(F.gelu(np.array([np.nan])).data[0])


@pytest.mark.parametrize("size", [90.0, 800.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_of_any_size_give_finite_losses_and_no_warning(size, dtype):
    x = np.array([[size, -size], [-size, size]], dtype)
    for loss in (
        F.cross_entropy(x, [1, 1]),
        F.binary_cross_entropy_with_logits(x, np.ones_like(x)),
        F.sigmoid(x),
        F.log_softmax(x),
        F.gelu(x),
    ):
        assert np.isfinite(loss.data).all()
        assert loss.dtype == dtype


def test_a_class_that_is_ruled_out_costs_the_others_nothing():
    scores = Tensor([[0.0, 1.0, -math.inf]], requires_grad=True)
    loss = F.cross_entropy(scores, [1])
    loss.backward()
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1)))
    assert scores.grad[0, 2] == 0


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "sigmoid", "tanh", "gelu", "log_softmax"])
def test_float32_stays_float32(name):
    x = Tensor(apart(4, 3).astype(np.float32), requires_grad=True)
    y = getattr(F, name)(x)
    y.backward(np.ones_like(y.data))
    assert (y.dtype, x.grad.dtype) == (np.float32, np.float32)
