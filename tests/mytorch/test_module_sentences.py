"""What a module or a layer refuses is said in a sentence."""

import numpy as np
import pytest

from thalweg.mytorch import nn


def test_batch_norm_of_too_little_is_refused():
    with pytest.raises(ValueError, match="training needs more than one value per feature"):
        nn.BatchNorm1d(3)(np.ones((1, 3), np.float32))


F32 = np.float32


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (lambda: nn.Linear(0, 2), ValueError, "Linear: in_features must be a whole number of at"),
        (lambda: nn.Linear(2, 2.0), ValueError, "Linear: out_features must be .* got 2.0"),
        (lambda: nn.Linear(3, 2)(np.ones((4, 2), F32)), ValueError, r"linear: input \(4, 2\) and"),
        (lambda: nn.Linear(3, 2)(np.ones((4, 3))), TypeError, "input float64, weight float32"),
        (lambda: nn.Linear(3, 2)(np.ones((4, 3), int)), TypeError, "input int64, weight float32"),
        (
            lambda: nn.functional.linear(np.ones((4, 3)), np.ones((2, 3)), np.ones(3)),
            ValueError,
            r"linear: bias must have shape \(2,\), got \(3,\)",
        ),
        (lambda: nn.Conv2d(3, 4, 2, groups=2), ValueError, "groups must divide in_channels 3 and"),
        (lambda: nn.Conv2d(1, 1, 0), ValueError, "Conv2d: kernel_size must be one or two whole"),
        (lambda: nn.Conv2d(1, 1, 2, stride=(1, 2, 3)), ValueError, "Conv2d: stride must be one or"),
        (lambda: nn.Conv2d(1, 1, 2, padding="same"), ValueError, "Conv2d: padding .* got 'same'"),
        (
            lambda: nn.Conv2d(2, 1, 3)(np.ones((1, 1, 5, 5), F32)),
            ValueError,
            r"conv2d: input \(1, 1, 5, 5\) and weight \(1, 2, 3, 3\) do not fit",
        ),
        (
            lambda: nn.Conv2d(1, 1, 3)(np.ones((1, 2, 5), F32)),
            ValueError,
            r"conv2d: input \(1, 2, 5\) and weight",
        ),
        (
            lambda: nn.Conv2d(1, 1, 3, dilation=2)(np.ones((1, 1, 4, 9), F32)),
            ValueError,
            r"conv2d: a kernel of \(3, 3\) with dilation \(2, 2\) does not fit into an image of "
            r"\(4, 9\) padded by \(0, 0\)",
        ),
        (lambda: nn.MaxPool2d(2, padding=2), ValueError, "MaxPool2d: padding must be at most half"),
        *[
            (
                lambda name=name: getattr(nn, name)(2, ceil_mode=True),
                ValueError,
                f"^{name}: ceil_mode must be False, got True: no window reaches beyond the input",
            )
            for name in ("MaxPool1d", "AvgPool1d", "MaxPool2d", "AvgPool2d")
        ],
        (lambda: nn.AvgPool2d(2)(np.ones((1, 4), F32)), ValueError, "avg_pool2d: input must be"),
        (lambda: nn.Dropout(1.5), ValueError, "Dropout: p must be a number from 0 to 1, got 1.5"),
        (lambda: nn.GELU("fast"), ValueError, "GELU: approximate must be 'none' or 'tanh'"),
        (
            lambda: nn.BatchNorm2d(3)(np.ones((2, 3), F32)),
            ValueError,
            r"BatchNorm2d: input must be \(N, C, H, W\), got \(2, 3\)",
        ),
        (
            lambda: nn.BatchNorm1d(3)(np.ones((2, 4), F32)),
            ValueError,
            r"BatchNorm1d: axis 1 of the input must be 3 long, got \(2, 4\)",
        ),
        (
            lambda: nn.LayerNorm((4, 3))(np.ones((2, 4), F32)),
            ValueError,
            r"layer_norm: the last axes of the input must be \(4, 3\), got \(2, 4\)",
        ),
        (lambda: nn.Flatten(2)(np.ones((2, 3))), ValueError, "flatten: shape .* has no axes 2 to"),
        (lambda: nn.LogSoftmax(2)(np.ones((2, 3))), ValueError, "log_softmax: shape .* no axis 2"),
        (lambda: nn.Embedding(3, 2)([0, 3]), IndexError, "must lie in 0 to 2, got 3 at index 1"),
        (lambda: nn.Embedding(3, 2)([[0], [-1]]), IndexError, r"got -1 at index \(1, 0\)"),
        (lambda: nn.Embedding(3, 2)([0.5]), TypeError, "embedding: numbers must be integers, got"),
        (lambda: nn.Embedding(3, 2, 3), ValueError, "padding_idx must name one of the 3 rows"),
        (
            lambda: nn.CrossEntropyLoss()(np.ones((2, 3)), [0, 3]),
            IndexError,
            "cross_entropy: labels must lie in 0 to 2, got 3 at index 1",
        ),
        (
            lambda: nn.CrossEntropyLoss()(np.ones((2, 3, 2)), [[0, 1], [0, 4]]),
            IndexError,
            r"labels must lie in 0 to 2, got 4 at index \(1, 1\)",
        ),
        (
            lambda: nn.NLLLoss()(np.ones((2, 3)), [-1, 0]),
            IndexError,
            "nll_loss: labels must lie in 0 to 2, got -1 at index 0",
        ),
        (
            lambda: nn.CrossEntropyLoss()(np.ones((2, 3)), [0.0, 1.0]),
            TypeError,
            "cross_entropy: labels must be integers, got float32",
        ),
        (
            lambda: nn.CrossEntropyLoss()(np.ones((2, 3)), [0, 1, 2]),
            ValueError,
            r"cross_entropy: input \(2, 3\) and target \(3,\) do not fit",
        ),
        (
            lambda: nn.CrossEntropyLoss([1.0, 2.0])(np.ones((2, 3)), [0, 1]),
            ValueError,
            r"weight must have one number for each of 3 classes, got shape \(2,\)",
        ),
        (lambda: nn.NLLLoss(reduction="avg"), ValueError, "NLLLoss: reduction must be 'mean', 's"),
        (
            lambda: nn.MSELoss()(np.ones((2, 1)), np.ones(2)),
            ValueError,
            r"mse_loss: input \(2, 1\) and target \(2,\) must have the same shape",
        ),
        (
            lambda: nn.BCEWithLogitsLoss(pos_weight=[1.0, 2.0])(np.ones((2, 3)), np.ones((2, 3))),
            ValueError,
            r"pos_weight must broadcast to the input's shape \(2, 3\), got \(2,\)",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(attempt, error, sentence):
    with pytest.raises(error, match=sentence):
        attempt()
