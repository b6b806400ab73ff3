"""Attention's masks, weights and refusals, against torch's."""

import numpy as np
import pytest

from tests.mytorch.agreement import apart, assert_close, needs_torch
from thalweg.mytorch import Tensor, manual_seed, nn

BATCH, LENGTH, SOURCE, SIZE, HEADS = 2, 3, 5, 4, 2
QUERY = apart(BATCH, LENGTH, SIZE)
KEYS = apart(BATCH, SOURCE, SIZE, seed=1)
SHUT = np.array([[0, 0, 1, 0, 1], [1, 0, 0, 0, 0]], bool)
LATER = ~np.tri(LENGTH, SOURCE, 1, dtype=bool)

MASKS = {
    "nothing": {},
    "padding": {"key_padding_mask": SHUT},
    "order": {"attn_mask": LATER},
    "both": {"key_padding_mask": SHUT, "attn_mask": LATER},
    "a mask for each head": {"attn_mask": np.repeat(LATER[None], BATCH * HEADS, 0)},
    "numbers": {"attn_mask": apart(LENGTH, SOURCE)},
    "numbers for padding": {"key_padding_mask": np.where(SHUT, -np.inf, 0.5)},
    "heads apart": {"average_attn_weights": False},
    "no weights": {"need_weights": False, "attn_mask": LATER},
    "causal": {
        "attn_mask": ~np.tri(LENGTH, SOURCE, dtype=bool),
        "is_causal": True,
        "need_weights": False,
    },
}


def both(**settings):
    import torch

    manual_seed(0)
    ours = nn.MultiheadAttention(SIZE, HEADS, batch_first=True, **settings).double()
    theirs = torch.nn.MultiheadAttention(SIZE, HEADS, batch_first=True, **settings).double()
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in ours.state_dict().items()})
    return ours, theirs


@needs_torch
@pytest.mark.parametrize("kind", MASKS)
def test_every_mask_means_what_it_means_in_torch(kind):
    import torch

    ours, theirs = both()
    options = MASKS[kind]
    tensors = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    x, y = Tensor(QUERY, requires_grad=True), Tensor(KEYS, requires_grad=True)
    u, v = (torch.tensor(one, requires_grad=True) for one in (QUERY, KEYS))
    found, weights = ours(x, y, y, **options)
    right, wanted = theirs(u, v, v, **tensors)
    assert_close(found.data, right.detach().numpy())
    assert (weights is None) == (wanted is None)
    if weights is not None:
        assert_close(weights.data, wanted.detach().numpy())
    found.sum().backward()
    right.sum().backward()
    assert_close(x.grad, u.grad.numpy())
    assert_close(y.grad, v.grad.numpy())


@needs_torch
def test_the_weights_have_gradients_as_in_torch():
    import torch

    ours, theirs = both()
    _, weights = ours(Tensor(QUERY), Tensor(KEYS), Tensor(KEYS))
    _, wanted = theirs(*map(torch.tensor, (QUERY, KEYS, KEYS)))
    (weights * Tensor(apart(*weights.shape))).sum().backward()
    (wanted * torch.tensor(apart(*weights.shape))).sum().backward()
    assert_close(ours.in_proj_weight.grad, theirs.in_proj_weight.grad.numpy())


@needs_torch
def test_a_mask_that_is_learned_gets_torchs_gradient():
    import torch
    from torch.nn.functional import scaled_dot_product_attention as theirs

    numbers = apart(LENGTH, SOURCE)
    numbers[0] = -np.inf
    mask, other = Tensor(numbers, requires_grad=True), torch.tensor(numbers, requires_grad=True)
    found = nn.functional.scaled_dot_product_attention(QUERY, KEYS, KEYS, mask)
    right = theirs(*map(torch.tensor, (QUERY, KEYS, KEYS)), other)
    found.sum().backward()
    right.sum().backward()
    assert_close(found.data[:, 1:], right.detach().numpy()[:, 1:])
    assert_close(mask.grad[1:], other.grad.numpy()[1:])
    assert not mask.grad[0].any()


def test_who_may_look_at_nothing_gets_zeros_and_no_warning():
    mask = np.zeros((LENGTH, SOURCE), bool)
    mask[1] = True
    layer = nn.MultiheadAttention(SIZE, HEADS, bias=False, batch_first=True).double()
    x = Tensor(QUERY, requires_grad=True)
    y, weights = layer(x, KEYS, KEYS, attn_mask=mask)
    y.sum().backward()
    assert not y.data[:, 1].any()
    assert not weights.data[:, 1].any()
    assert not x.grad[:, 1].any()
    assert np.isfinite(x.grad).all()


def test_self_attention_in_one_product_is_the_same_as_in_three():
    layer = nn.MultiheadAttention(SIZE, HEADS).double()
    one = Tensor(QUERY)
    assert_close(layer(one, one, one)[0].data, layer(one, Tensor(QUERY), Tensor(QUERY))[0].data)


def test_dropout_drops_weights_in_training_only():
    manual_seed(0)
    layer = nn.MultiheadAttention(SIZE, HEADS, dropout=0.5, batch_first=True).double()
    _, weights = layer(QUERY, KEYS, KEYS, average_attn_weights=False)
    assert 0 < np.mean(weights.data == 0) < 1
    _, weights = layer.eval()(QUERY, KEYS, KEYS, average_attn_weights=False)
    assert_close(weights.data.sum(axis=-1), 1)


@needs_torch
def test_an_encoder_of_copied_layers_is_torchs():
    import torch

    def encoder(of):
        layer = of.TransformerEncoderLayer(SIZE, HEADS, 6, dropout=0.0, batch_first=True)
        return of.TransformerEncoder(layer, 2, of.LayerNorm(SIZE)).double()

    ours, theirs = encoder(nn), encoder(torch.nn)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    padding = np.array([[0, 0, 1], [0, 0, 0]], bool)
    found = ours(QUERY, src_key_padding_mask=padding)
    theirs.train()  # in evaluation torch takes another path, which zeroes what is padding
    right = theirs(torch.tensor(QUERY), src_key_padding_mask=torch.tensor(padding))
    assert_close(found.data, right.detach().numpy())


QUERY32 = QUERY.astype(np.float32)


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (lambda: nn.MultiheadAttention(4, 3), ValueError, "num_heads must divide embed_dim 4, got"),
        (
            lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True),
            ValueError,
            "add_bias_kv must be F",
        ),
        (
            lambda: nn.MultiheadAttention(4, 2)(QUERY, QUERY, QUERY),
            TypeError,
            "MultiheadAttention: all must be float32 or all float64",
        ),
        (
            lambda: nn.MultiheadAttention(8, 2)(QUERY32, QUERY32, QUERY32),
            ValueError,
            r"query must be \(..., 8\)",
        ),
        (
            lambda: nn.MultiheadAttention(4, 2)(QUERY32, QUERY32, QUERY32[:1]),
            ValueError,
            r"key \(2, 3, 4\) and value \(1, 3, 4\) must be as long as each other",
        ),
        (
            lambda: nn.MultiheadAttention(4, 2)(*[QUERY32] * 3, attn_mask=np.zeros((3, 3), bool)),
            ValueError,
            r"attn_mask must be \(2, 2\) or \(6, 2, 2\), got \(3, 3\)",
        ),
        (
            lambda: nn.MultiheadAttention(4, 2)(*[QUERY32] * 3, np.zeros((3, 3), bool)),
            ValueError,
            r"key_padding_mask must be \(3, 2\), got \(3, 3\)",
        ),
        (
            lambda: nn.MultiheadAttention(4, 2)(*[QUERY32] * 3, attn_mask=np.zeros((2, 2))),
            TypeError,
            "attn_mask must be bool or float32, got float64",
        ),
        (
            lambda: nn.MultiheadAttention(4, 2)(*[QUERY32] * 3, is_causal=True),
            ValueError,
            "is_causal=True needs the attn_mask",
        ),
        (
            lambda: nn.functional.scaled_dot_product_attention(QUERY, KEYS, QUERY),
            ValueError,
            "do not fit: they must be",
        ),
        (
            lambda: nn.functional.scaled_dot_product_attention(
                QUERY, KEYS, KEYS, LATER, is_causal=True
            ),
            ValueError,
            "either attn_mask or is_causal=True, not both",
        ),
        (
            lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"),
            ValueError,
            "activation must be 'relu', 'gelu' or a function, got 'tanh'",
        ),
    ],
)
def test_what_cannot_be_attended_to_is_said_in_a_sentence(attempt, error, sentence):
    with pytest.raises(error, match=sentence):
        attempt()
