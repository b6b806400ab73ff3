"""RNN, LSTM and GRU beyond their agreement with torch, which test_layers holds."""

import numpy as np
import pytest

from tests.mytorch.agreement import apart, assert_close, needs_torch
from thalweg.mytorch import Tensor, manual_seed, nn

X = apart(4, 2, 3)
KINDS = ("RNN", "GRU", "LSTM")


def last_of(states):
    """h_n, of LSTM's pair, too."""
    return states[0] if isinstance(states, tuple) else states


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_in_two_parts_is_the_sequence(kind):
    net = getattr(nn, kind)(3, 5, num_layers=2).double()
    whole, end = net(X)
    first, middle = net(X[:2])
    second, same_end = net(X[2:], middle)
    assert_close(np.concatenate([first.data, second.data]), whole.data)
    assert_close(last_of(same_end).data, last_of(end).data)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_of_a_cell_are_the_sequence(kind):
    net, cell = getattr(nn, kind)(3, 5).double(), getattr(nn, f"{kind}Cell")(3, 5).double()
    cell.load_state_dict(
        {name.removesuffix("_l0"): array for name, array in net.state_dict().items()}
    )
    state = None
    for step in X:
        state = cell(step, state)
    assert_close(last_of(state).data, last_of(net(X)[1]).data[0])


@needs_torch
def test_torchs_starting_states_of_an_lstm_mean_the_same():
    import torch

    ours, theirs = nn.LSTM(3, 5).double(), torch.nn.LSTM(3, 5).double()
    ours.load_state_dict(theirs.state_dict())
    starts = [apart(1, 2, 5), apart(1, 2, 5, seed=1)]
    given = [Tensor(one, requires_grad=True) for one in starts]
    wanted = [torch.tensor(one, requires_grad=True) for one in starts]
    _, (_, c_n) = ours(X, tuple(given))
    _, (_, right) = theirs(torch.tensor(X), tuple(wanted))
    c_n.sum().backward()
    right.sum().backward()
    for one, other in zip(given, wanted, strict=True):
        assert_close(one.grad, other.grad.numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_between_layers_and_in_training_only(kind):
    manual_seed(0)
    net = getattr(nn, kind)(3, 50, num_layers=2, dropout=0.5).double()
    assert np.abs(net(X)[0].data - net(X)[0].data).max() > 0
    assert (net(X)[0].data != 0).all()  # not behind the last layer
    net.eval()
    assert_close(net(X)[0].data, net(X)[0].data)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_with_one_layer_is_warned_of(kind):
    with pytest.warns(UserWarning, match=f"{kind}: dropout is between layers") as caught:
        getattr(nn, kind)(3, 5, dropout=0.5)
    assert caught[0].filename == __file__


def test_an_lstm_learns_what_lies_far_back():
    """Of a row of signs, the first one."""
    manual_seed(0)
    random = np.random.default_rng(0)
    x = random.choice([-1.0, 1.0], (32, 8, 1)).astype(np.float32)
    net, head = nn.LSTM(1, 8, batch_first=True), nn.Linear(8, 1)
    model = nn.ModuleList([net, head])
    speed = [np.zeros_like(p.data) for p in model.parameters()]
    for _ in range(150):
        model.zero_grad()
        scores = head(net(x)[0][:, -1])
        loss = nn.functional.binary_cross_entropy_with_logits(scores, (x[:, 0] + 1) / 2)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1)
        for p, v in zip(model.parameters(), speed, strict=True):
            v *= 0.9
            v += p.grad
            p.data -= 0.2 * v
    assert loss.item() < 0.1


def test_the_gates_are_finite_for_inputs_of_any_size():
    for kind in KINDS:
        net = getattr(nn, kind)(3, 5)
        y, _ = net(np.full((2, 1, 3), 1e30, np.float32))
        y.sum().backward()
        assert np.isfinite(y.data).all()
        assert np.isfinite(net.weight_hh_l0.grad).all()


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (lambda: nn.LSTM(3, 0), ValueError, "LSTM: hidden_size must be a whole number of at least"),
        (
            lambda: nn.LSTMCell(3, 5)(X[0, 0, :2]),
            ValueError,
            r"LSTMCell: input must be \(N, 3\)",
        ),
        (
            lambda: nn.GRUCell(3, 5).double()(X[0], X[0]),
            ValueError,
            r"hx must be \(2, 5\), got",
        ),
        (lambda: nn.LSTMCell(3, 5)(X[0], X[0, 0]), TypeError, "hx must be a pair .* got ndarray"),
        (lambda: nn.LSTM(3, 5, proj_size=2), ValueError, "LSTM: proj_size must be 0, got 2: put"),
        (lambda: nn.RNN(3, 5, nonlinearity="gelu"), ValueError, "nonlinearity must be 'tanh' or"),
        (
            lambda: nn.GRU(3, 5, num_layers=2, dropout=2),
            ValueError,
            "GRU: dropout must be a number",
        ),
        (lambda: nn.GRU(4, 5).double()(X), ValueError, r"GRU: input must be \(L, N, 4\) or, with"),
        (lambda: nn.GRU(4, 5, batch_first=True).double()(X), ValueError, r"must be \(N, L, 4\)"),
        (lambda: nn.GRU(3, 5)(X), TypeError, "GRU: all must be float32 or all float64"),
        (lambda: nn.GRU(3, 5).double()(X[:0]), ValueError, "must have at least one step"),
        (
            lambda: nn.GRU(3, 5).double()(X, np.zeros((2, 5))),
            ValueError,
            r"GRU: h_0 must be \(1, 2, 5\), \(layers and directions, N, .* got \(2, 5\)",
        ),
        (
            lambda: nn.LSTM(3, 5).double()(X, np.zeros((1, 2, 5))),
            TypeError,
            r"LSTM: hx must be a pair \(h_0, c_0\), got ndarray",
        ),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(attempt, error, sentence):
    with pytest.raises(error, match=sentence):
        attempt()
