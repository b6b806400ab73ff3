"""Sparse gradients, where torch takes them: only their rows move, and the numbers are torch's."""

import pytest
import torch
from torch import Tensor
from torch.nn import Embedding, Parameter

import thalweg.optim as optim
from tests.optim.runs import (
    OURS,
    arrays_of,
    assert_close,
    assert_same,
    give_gradients,
    numbers,
    ours,
    values,
    walk,
    weights,
)
from thalweg.chain import chain
from thalweg.optimizers import OPTIMIZERS
from thalweg.rules import Adagrad
from thalweg.stages import DecoupledDecay

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    # torch's Adagrad warns of a sparse tensor that it makes itself
    pytest.mark.filterwarnings("ignore:Sparse invariant checks"),
]

TAKING = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "maximize": True, "dampening": 0.2}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}),
    ("Adagrad", {"lr": 0.1, "maximize": True}),
    ("SparseAdam", {"lr": 0.1}),
    ("SparseAdam", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3}),
    ("SparseAdam", {"lr": 0.1, "maximize": True}),
]
RESTING = [one for one in TAKING if "momentum" not in one[1]]
PLAIN = [("SGD", {"lr": 0.1}), ("Adagrad", {"lr": 0.1}), ("SparseAdam", {"lr": 0.1})]
WITHOUT = [name for name in OURS if not OPTIMIZERS[name].takes_sparse]


def made(module, name, params, settings) -> torch.optim.Optimizer:
    return getattr(module, name)(params, **settings)


def sparse(index, held, shape) -> Tensor:
    index = torch.as_tensor(index, dtype=torch.long)
    return torch.sparse_coo_tensor(index, held, shape, check_invariants=True)


def rows(shape, index, seed, dtype=torch.float64) -> Tensor:
    """A gradient of some rows; an index that comes twice makes it uncoalesced."""
    return sparse([list(index)], numbers((len(index), *shape[1:]), seed, dtype), shape)


def coalesced(t):
    return rows((5, 3), [[0, 2], [2, 4], [1], [0, 1, 2, 3, 4]][t % 4], 10 + t).coalesce()


def uncoalesced(t):
    return rows((5, 3), [[0, 2, 0], [4, 4, 4], [1, 0, 1], [0, 1, 2, 2]][t % 4], 10 + t)


def empty(t):
    """Every second one names no row at all."""
    return rows((5, 3), [] if t % 2 else [0, 3], 10 + t)


def hybrid(t):
    """Two dense dimensions behind the sparse one."""
    return rows((4, 2, 3), [[0, 3], [1, 3], [2]][t % 3], 10 + t).coalesce()


def of_single_numbers(t):
    """Every dimension is a sparse one."""
    index = torch.tensor([[0, 0, 3], [1, 2, (t + 1) % 3]])
    return sparse(index, numbers((3,), 10 + t), (5, 3)).coalesce()


def of_two_sparse_dimensions(t):
    index = torch.tensor([[0, 1, 1], [2, 0, t % 3]])
    return sparse(index, numbers((3, 4), 10 + t), (2, 3, 4)).coalesce()


def of_a_vector(t):
    return rows((6,), [t % 6, 5], 10 + t)


KINDS = [
    coalesced,
    uncoalesced,
    empty,
    hybrid,
    of_single_numbers,
    of_two_sparse_dimensions,
    of_a_vector,
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "settings"), TAKING)
def test_a_sparse_gradient_moves_as_in_torch(name, settings, kind):
    results = []
    for module in (optim, torch.optim):
        p = Parameter(numbers(kind(0).shape, 1))
        opt = made(module, name, [p], settings)
        for t in range(6):
            p.grad = kind(t)
            opt.step()
        results.append([p, *opt.state[p].values()] if name == "Adagrad" else [p])
    assert_close(*results)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "settings"), TAKING)
def test_a_sparse_gradient_stays_as_it_is(name, settings, kind):
    p = Parameter(numbers(kind(0).shape, 1))
    opt = made(optim, name, [p], settings)
    for t in range(3):
        p.grad = grad = kind(t)
        index, held = grad._indices().clone(), grad._values().clone()
        opt.step()
        assert p.grad is grad
        assert grad.is_coalesced() == kind(t).is_coalesced()
        assert_same([grad._indices(), grad._values()], [index, held])


@pytest.mark.parametrize(("name", "settings"), RESTING)
def test_rows_without_a_gradient_rest_bit_for_bit_and_so_do_their_states(name, settings):
    p = Parameter(numbers((6, 3), 1))
    opt = made(optim, name, [p], settings)
    p.grad = rows((6, 3), range(6), 2)
    opt.step()
    before = [t.clone() for t in (p.detach(), *arrays_of(opt, p).values())]
    p.grad = rows((6, 3), [1, 4], 3)
    opt.step()
    for was, now in zip(before, (p.detach(), *arrays_of(opt, p).values()), strict=True):
        changed = (was != now).all(1)
        assert changed.tolist() == [False, True, False, False, True, False]
        assert_same([now[~changed]], [was[~changed]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize(("name", "settings"), PLAIN)
def test_sparse_rows_are_computed_as_a_table_of_these_rows_alone(name, settings, dtype):
    """Bit for bit, in every type."""
    table, alone = (
        Parameter(numbers((7, 4), 1, dtype)),
        Parameter(numbers((7, 4), 1, dtype)[[5, 2]]),
    )
    opt, other = (made(optim, name, [p], settings) for p in (table, alone))
    for t in range(5):
        some = numbers((2, 4), 10 + t, dtype)
        table.grad = sparse([[5, 2]], some, (7, 4))
        alone.grad = sparse([[0, 1]], some, (2, 4))
        opt.step()
        other.step()
    assert_same([table.detach()[[5, 2]]], [alone])


@pytest.mark.parametrize(("name", "settings"), PLAIN)
def test_complex_rows_move_as_the_two_real_ones(name, settings):
    both = Parameter(numbers((5, 3), 1, torch.complex128))
    parts = [Parameter(part.clone()) for part in (both.detach().real, both.detach().imag)]
    opt, other = made(optim, name, [both], settings), made(optim, name, parts, settings)
    for t in range(5):
        both.grad = rows((5, 3), [0, t % 5, 4], 10 + t, torch.complex128)
        held, index = both.grad._values(), both.grad._indices()
        for part, values_of in zip(parts, (held.real, held.imag), strict=True):
            part.grad = sparse(index, values_of, (5, 3))
        opt.step()
        other.step()
    assert_close([both.detach().real, both.detach().imag], parts)


@pytest.mark.parametrize("laid_out", [Tensor.t, lambda t: torch.stack([t, t], -1)[..., 0]])
@pytest.mark.parametrize(("name", "settings"), PLAIN)
def test_a_table_may_lie_in_any_way(name, settings, laid_out):
    value = numbers((4, 4), 1)
    turned, plain = Parameter(laid_out(value.clone())), Parameter(laid_out(value).contiguous())
    assert not turned.is_contiguous()
    opt, other = (made(optim, name, [p], settings) for p in (turned, plain))
    for t in range(4):
        turned.grad, plain.grad = rows((4, 4), [0, 3], t), rows((4, 4), [0, 3], t)
        opt.step()
        other.step()
    assert_close([turned], [plain])
    assert turned.stride() == laid_out(value).stride()


@pytest.mark.parametrize(("name", "settings"), PLAIN)
def test_autograd_hears_of_a_sparse_step(name, settings):
    p = Parameter(numbers((5, 3), 1))
    opt = made(optim, name, [p], settings)
    loss = p.pow(3).sum()
    p.grad = coalesced(0)
    opt.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize(("name", "settings"), TAKING)
def test_an_embedding_is_trained_as_in_torch(name, settings):
    tables = []
    for module in (optim, torch.optim):
        table = Embedding(6, 3, sparse=True, _weight=numbers((6, 3), 1))
        opt = made(module, name, table.parameters(), settings)
        for t in range(4):
            opt.zero_grad()
            table(torch.tensor([t, t + 1, t])).square().sum().backward()
            assert table.weight.grad.is_sparse
            opt.step()
        tables.append(table.weight)
    assert_close(tables[:1], tables[1:])


@pytest.mark.parametrize(("name", "settings"), TAKING)
def test_dense_and_sparse_gradients_go_in_turn(name, settings):
    """A dense gradient is one of every row."""
    mixed, plain = weights([(5, 3), (2,)]), weights([(5, 3), (2,)])
    opt, other = (made(optim, name, params, settings) for params in (mixed, plain))
    for t in range(6):
        give_gradients(mixed, t)
        give_gradients(plain, t)
        if t % 2:
            mixed[0].grad = rows((5, 3), range(5), 10 + t)
            plain[0].grad = mixed[0].grad.to_dense()
        opt.step()
        other.step()
    assert_close(mixed, plain)


@pytest.mark.parametrize(("name", "settings"), TAKING)
def test_a_gradient_without_rows_still_counts_as_a_step(name, settings):
    """As in torch: only a missing gradient is no step."""
    counts = []
    for module in (optim, torch.optim):
        p = Parameter(numbers((5, 3), 1))
        opt = made(module, name, [p], settings)
        before = values([p])
        for _ in range(3):
            p.grad = rows((5, 3), [], 1)
            opt.step()
        assert_same([p], before)
        counts.append(float(opt.state[p].get("step", 0)))
    assert counts[0] == counts[1]


def test_adagrad_with_decay_takes_missing_rows_as_zeros_where_torch_raises():
    sparse, dense = weights([(5, 3)]), weights([(5, 3)])
    opt, other = (optim.Adagrad(params, weight_decay=0.1) for params in (sparse, dense))
    theirs = weights([(5, 3)])
    refusing = torch.optim.Adagrad(theirs, weight_decay=0.1)
    for t in range(4):
        sparse[0].grad, dense[0].grad, theirs[0].grad = (
            coalesced(t),
            coalesced(t).to_dense(),
            coalesced(t),
        )
        opt.step()
        other.step()
        with pytest.raises(RuntimeError, match="not compatible with sparse"):
            refusing.step()
    assert_close(sparse, dense)


def test_a_users_chain_with_decay_decays_the_missing_rows_too():
    Mine = optim.optimizer(chain("Mine", DecoupledDecay, Adagrad, lr=0.1, weight_decay=0.1))
    sparse, dense = weights([(5, 3)]), weights([(5, 3)])
    opt, other = Mine(sparse), Mine(dense)
    for t in range(4):
        sparse[0].grad, dense[0].grad = coalesced(t), coalesced(t).to_dense()
        opt.step()
        other.step()
    assert_close(sparse, dense)


@pytest.mark.parametrize("name", WITHOUT)
def test_a_sparse_gradient_is_refused_in_torchs_words(name):
    params = weights([(4, 3), (4,)])
    opt = ours(name, params)
    before = values(params)
    give_gradients(params, 0)
    params[0].grad = rows((4, 3), [0, 2], 1)
    with pytest.raises(RuntimeError, match="does not support sparse gradients"):
        opt.step()
    assert_same(params, before)


@pytest.mark.parametrize("name", WITHOUT)
def test_a_refused_gradient_leaves_the_run_as_it_was(name):
    params, plain = weights([(4, 3), (4,)]), weights([(4, 3), (4,)])
    opt = ours(name, params)
    walk(opt, 2)
    give_gradients(params, 2)
    params[1].grad = params[1].grad.to_sparse()
    with pytest.raises(RuntimeError, match="sparse"):
        opt.step()
    walk(opt, 3, start=2)
    walk(ours(name, plain), 5)
    assert_same(params, plain)


def test_a_step_that_fails_beside_sparse_gradients_moves_no_row():
    """All rows are looked at before any of them is moved."""
    table, other = weights([(5, 3), (3,)])
    opt = optim.SparseAdam([table, other], lr=0.1)
    before = values([table, other])
    table.grad, other.grad = coalesced(0), numbers((3,), 1)
    size = other.grad.untyped_storage().nbytes()
    other.grad.untyped_storage().resize_(0)
    with pytest.raises(RuntimeError, match="freed"):
        opt.step()
    assert_same([table, other], before)
    assert not opt.state[table]
    other.grad.untyped_storage().resize_(size)
    other.grad.copy_(numbers((3,), 1))
    opt.step()
    assert opt.state[table]["step"] == 1
