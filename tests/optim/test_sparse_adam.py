"""SparseAdam: torch's class and beyond it, with a step count that is a Python int."""

import copy
import pickle

import pytest
import torch
from torch.nn import Embedding, EmbeddingBag, Linear, Parameter

import thalweg.optim as optim
from tests.optim.runs import (
    all_arrays,
    assert_close,
    assert_same,
    assert_same_state,
    numbers,
    ours,
    reloaded,
    torchs,
    values,
    walk,
    weights,
)

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = (6, 3)


def table(dtype=torch.float64) -> Parameter:
    return Parameter(numbers(SHAPE, 1, dtype))


def look_up(opt, steps=1, start=0) -> None:
    """Steps along sparse gradients that depend on the step alone."""
    (p,) = opt.param_groups[0]["params"]
    for t in range(start, start + steps):
        index = torch.tensor([[t % 6, 5, (2 * t) % 6]])
        held = numbers((3, *SHAPE[1:]), 10 + t, p.dtype)
        p.grad = torch.sparse_coo_tensor(index, held, SHAPE, check_invariants=True)
        opt.step()


def described(opt) -> dict:
    return {
        i: {
            key: (v.shape, v.dtype, v.stride(), v.device) if isinstance(v, torch.Tensor) else v
            for key, v in held.items()
        }
        for i, held in opt.state_dict()["state"].items()
    }


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_states_are_torchs_and_the_step_is_an_int(dtype):
    opts = [make("SparseAdam", [table(dtype)]) for make in (ours, torchs)]
    assert described(opts[0]) == described(opts[1]) == {}
    for opt in opts:
        look_up(opt, 3)
    assert described(opts[0]) == described(opts[1])
    (held,) = opts[0].state.values()
    assert (type(held["step"]), held["step"]) == (int, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("settings", [{}, {"maximize": True, "betas": (0.8, 0.9)}], ids=str)
@pytest.mark.parametrize("way", ["ours to torch", "torch to ours"])
def test_a_run_goes_on_in_the_other_class(way, settings, dtype):
    first, then = (ours, torchs) if way == "ours to torch" else (torchs, ours)
    p, want = table(dtype), table(dtype)
    start = first("SparseAdam", [p], **settings)
    look_up(start, 4)
    after = then("SparseAdam", [p], **settings)
    after.load_state_dict(reloaded(start.state_dict()))
    look_up(after, 4, start=4)
    look_up(torchs("SparseAdam", [want], **settings), 8)
    assert_close([p], [want])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("way", ["a file", "deepcopy", "pickle"])
def test_stopped_and_resumed_is_never_stopped_bit_for_bit(way, dtype):
    want = table(dtype)
    whole = ours("SparseAdam", [want])
    look_up(whole, 8)
    start = ours("SparseAdam", [table(dtype)])
    look_up(start, 4)
    if way == "a file":
        after = ours("SparseAdam", start.param_groups[0]["params"])
        after.load_state_dict(reloaded(start.state_dict()))
    else:
        after = copy.deepcopy(start) if way == "deepcopy" else pickle.loads(pickle.dumps(start))
    look_up(after, 4, start=4)
    assert_same(after.param_groups[0]["params"], [want])
    assert_same_state(after, whole)


@pytest.mark.parametrize("saved_as", [float, torch.tensor, lambda n: torch.tensor(float(n))])
def test_a_step_kept_in_another_type_is_read_and_made_an_int(saved_as):
    p, want = table(), table()
    opt, whole = ours("SparseAdam", [p]), ours("SparseAdam", [want])
    look_up(opt, 3)
    saved = copy.deepcopy(opt.state_dict())
    saved["state"][0]["step"] = saved_as(3)
    opt.load_state_dict(saved)
    look_up(opt, 2, start=3)
    look_up(whole, 5)
    assert_same([p], [want])
    assert (type(opt.state[p]["step"]), opt.state[p]["step"]) == (int, 5)


def test_a_dense_gradient_is_one_of_every_row():
    """torch refuses it: "SparseAdam does not support dense gradients"."""
    dense, theirs = weights([SHAPE]), weights([SHAPE])
    opt, other = ours("SparseAdam", dense), torchs("SparseAdam", theirs)
    for t in range(6):
        dense[0].grad = numbers(SHAPE, 10 + t)
        theirs[0].grad = dense[0].grad.to_sparse(1)
        opt.step()
        other.step()
    assert_close(dense, theirs)


def test_dense_gradients_alone_move_as_adams_with_its_eps_before_the_correction():
    """Adam's `eps` is added behind the bias correction; with none the two are one."""
    mine, theirs = weights(), weights()
    walk(ours("SparseAdam", mine, eps=1e-30), 5)
    walk(torch.optim.Adam(theirs, lr=0.01, eps=1e-30), 5)
    assert_close(mine, theirs)


def test_a_model_of_sparse_and_dense_parameters_is_one_optimizers():
    """An embedding with sparse gradients under a dense head: in torch, two optimizers."""

    def model():
        torch.manual_seed(7)
        head = Linear(3, 2, dtype=torch.float64)
        return Embedding(*SHAPE, sparse=True, _weight=numbers(SHAPE, 1)), head

    def train(table, head, opts):
        for t in range(6):
            for opt in opts:
                opt.zero_grad()
            head(table(torch.tensor([t % 6, 5, 5]))).square().sum().backward()
            assert table.weight.grad.is_sparse
            assert not head.weight.grad.is_sparse
            for opt in opts:
                opt.step()

    together, apart = model(), model()
    both = [*together[0].parameters(), *together[1].parameters()]
    train(*together, [ours("SparseAdam", both)])
    halves = [ours("SparseAdam", half.parameters()) for half in apart]
    train(*apart, halves)
    for mine, plain in zip(together, apart, strict=True):
        assert_same(mine.parameters(), plain.parameters())
    refusing = model()
    theirs = torchs("SparseAdam", [*refusing[0].parameters(), *refusing[1].parameters()])
    with pytest.raises(RuntimeError, match="does not support dense gradients"):
        train(*refusing, [theirs])


def test_an_embedding_bag_is_trained_as_in_torch():
    tables = []
    for make in (ours, torchs):
        bag = EmbeddingBag(*SHAPE, sparse=True, mode="sum", _weight=numbers(SHAPE, 1))
        opt = make("SparseAdam", bag.parameters())
        for t in range(4):
            opt.zero_grad()
            bag(torch.tensor([[t, t + 1, t], [5, 0, 5]])).square().sum().backward()
            opt.step()
        tables.append(bag.weight)
    assert_close(tables[:1], tables[1:])


def test_late_rows_meet_the_tables_own_count():
    """t counts the table's steps and not the row's, as in torch."""
    results = []
    for make in (ours, torchs):
        p = table()
        opt = make("SparseAdam", [p])
        for t in range(5):
            index = [[0]] if t < 4 else [[3]]
            held = numbers((1, 3), t)
            p.grad = torch.sparse_coo_tensor(index, held, SHAPE, check_invariants=True)
            opt.step()
        results.append(p)
    assert_close(results[:1], results[1:])


def test_a_table_without_a_gradient_is_not_counted():
    first, second = table(), table()
    opt = ours("SparseAdam", [first, second])
    for t in range(4):
        held = numbers((1, 3), t)
        first.grad = torch.sparse_coo_tensor([[t]], held, SHAPE, check_invariants=True)
        second.grad = first.grad.clone() if t == 2 else None
        opt.step()
    assert (opt.state[first]["step"], opt.state[second]["step"]) == (4, 1)


def test_single_precision_states_of_a_narrow_table_stay_so_in_a_file():
    p = table(torch.bfloat16)
    opt = ours("SparseAdam", [p], state_dtype="float32")
    look_up(opt, 3)
    fresh = ours("SparseAdam", [table(torch.bfloat16)], state_dtype="float32")
    fresh.load_state_dict(reloaded(opt.state_dict()))
    assert {state[key].dtype for state, key in all_arrays(fresh)} == {torch.float32}
    assert_same_state(fresh, opt)


def test_a_gradient_scaler_leaves_sparse_rows_alone_where_one_is_infinite():
    p = table(torch.float32)
    opt = ours("SparseAdam", [p])
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    look_up(opt, 2)
    before, count = values([p]), opt.state[p]["step"]
    held = torch.full((1, 3), float("inf"))
    p.grad = torch.sparse_coo_tensor([[2]], held, SHAPE, check_invariants=True)
    scaler.scale(torch.ones(()))
    scaler.step(opt)
    scaler.update()
    assert_same([p], before)
    assert opt.state[p]["step"] == count


def test_a_fused_step_unscales_sparse_gradients():
    p, plain = table(torch.float32), table(torch.float32)
    opt, other = ours("SparseAdam", [p], fused=True), ours("SparseAdam", [plain])
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    for t in range(3):
        held = numbers((2, 3), t, torch.float32)
        p.grad = torch.sparse_coo_tensor([[0, 4]], 64 * held, SHAPE, check_invariants=True)
        plain.grad = torch.sparse_coo_tensor([[0, 4]], held, SHAPE, check_invariants=True)
        scaler.scale(torch.ones(()))
        scaler.step(opt)
        scaler.update()
        other.step()
    assert_same([p], [plain])


@pytest.mark.parametrize(
    "params",
    [
        lambda p: [p],
        lambda p: [{"params": [p]}],
        lambda p: [table(), p],
        lambda p: [("weight", p)],
    ],
)
def test_a_sparse_parameter_is_refused_at_construction(params):
    p = torch.zeros(3, layout=torch.sparse_coo)
    for module in (optim, torch.optim):
        with pytest.raises(ValueError, match="SparseAdam requires dense parameter tensors"):
            module.SparseAdam(params(p))


def test_a_sparse_parameter_is_refused_in_an_added_group():
    opt = optim.SparseAdam([table()])
    with pytest.raises(ValueError, match="SparseAdam requires dense parameter tensors"):
        opt.add_param_group({"params": [table(), torch.zeros(3, layout=torch.sparse_coo)]})
    assert len(opt.param_groups) == 1


def test_complex_tables_are_taken_where_torch_refuses_them():
    p = Parameter(numbers(SHAPE, 1, torch.complex128))
    with pytest.raises(ValueError, match="does not support complex"):
        torch.optim.SparseAdam([p])
    before = values([p])
    look_up(optim.SparseAdam([p], lr=0.1))
    assert (p != before[0]).all(1).tolist() == [True, False, False, False, False, True]


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("width", [1, 70, 3000])
def test_thousands_of_rows_are_torchs_on_any_number_of_threads(width, threads):
    rows = torch.randperm(4000, generator=torch.Generator().manual_seed(1))[None, :3000]
    plain, mine = (Parameter(numbers((4000, width), 2)) for _ in range(2))
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        one, other = torch.optim.SparseAdam([plain], lr=0.1), optim.SparseAdam([mine], lr=0.1)
        for t in range(2):
            values = numbers((3000, width), 10 + t)
            for p, opt in ((plain, one), (mine, other)):
                with torch.sparse.check_sparse_tensor_invariants(False):
                    p.grad = torch.sparse_coo_tensor(rows, values, p.shape)
                opt.step()
    finally:
        torch.set_num_threads(before)
    assert_close([mine], [plain])
