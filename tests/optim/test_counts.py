"""Counts of steps: exact up to 2^53, in torch's type, and made where torch makes them."""

import copy
import pickle

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import EVERY, numbers, ours, reloaded, torchs, walk, weights
from tests.plain import PLAIN
from thalweg.averaging import SWA
from thalweg.optimizers import OPTIMIZERS

LIMIT = 2**24
# those whose count is a tensor
COUNTING = [
    name
    for name in PLAIN
    if "step" in OPTIMIZERS[name].cells and not OPTIMIZERS[name].counts_in_int
]
WAYS = {
    "kernel": lambda: Parameter(numbers((3, 4), 1)),
    "odd": lambda: Parameter(numbers((3, 8), 1)[:, ::2]),
    "matrix": lambda: Parameter(numbers((40, 40), 1)),
}


def stepped(opt, p, count):
    for t in range(count):
        p.grad = numbers(p.shape, t)
        opt.step()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [*COUNTING, "Adafactor"])
def test_a_count_goes_on_beyond_what_float32_can_say(name, way):
    p = WAYS[way]()
    opt = getattr(optim, name)([p], **EVERY.get(name, {}))
    stepped(opt, p, 1)
    assert opt.state[p]["step"].dtype == torch.float32
    opt.state[p]["step"].fill_(LIMIT)
    stepped(opt, p, 5)
    assert opt.state[p]["step"].item() == LIMIT + 5


@pytest.mark.parametrize("way", WAYS)
def test_lookahead_goes_on_beyond_it(way):
    p = WAYS[way]()
    opt = ours("Ranger", [p], k=6)
    stepped(opt, p, 1)
    opt.state[p]["step"].fill_(LIMIT)
    synced = []
    for t in range(1, 13):
        stepped(opt, p, 1)
        if torch.equal(p, opt.state[p]["slow_buffer"]):
            synced.append(t)
    assert [(LIMIT + t) % 6 for t in synced] == [0, 0]


def test_an_average_goes_on_beyond_it():
    p = WAYS["kernel"]()
    opt = ours("SGD", [p], average=SWA(1, 2))
    stepped(opt, p, 1)
    opt.state[p]["step"].fill_(LIMIT)
    opt.state[p]["n_averaged"].fill_(LIMIT)
    stepped(opt, p, 6)
    assert opt.state[p]["step"].item() == LIMIT + 6
    assert opt.state[p]["n_averaged"].item() == LIMIT + 3


def test_a_sparse_gradients_rows_are_counted_beyond_it():
    p = Parameter(numbers((5, 3), 1))
    opt = optim.Adagrad([p])
    grad = torch.sparse_coo_tensor([[1, 3]], numbers((2, 3), 2), (5, 3), check_invariants=True)
    for count in (None, LIMIT, None, None):
        if count:
            opt.state[p]["step"].fill_(count)
        p.grad = grad
        opt.step()
    assert opt.state[p]["step"].item() == LIMIT + 3


def test_a_file_has_torchs_type_and_what_reads_it_counts_on():
    (p,), (q,), (r,) = (weights([(3,)]) for _ in range(3))
    opt = ours("AdamW", [p])
    walk(opt)
    opt.state[p]["step"].fill_(LIMIT)
    walk(opt, 4, start=1)
    saved = opt.state_dict()
    assert saved["state"][0]["step"].dtype == torch.float32
    assert saved["state"][0]["step"].item() == LIMIT + 4
    assert opt.state[p]["step"].dtype == torch.float64  # the live one is left alone
    torchs("AdamW", [r]).load_state_dict(reloaded(saved))
    other = ours("AdamW", [q])
    other.load_state_dict(reloaded(saved))
    walk(other, 3)
    assert other.state[q]["step"].item() == LIMIT + 7


def test_a_count_below_the_limit_is_the_same_tensor_in_a_state_dict():
    (p,) = params = weights([(3,)])
    opt = ours("AdamW", params)
    walk(opt)
    assert opt.state_dict()["state"][0] is opt.state[p]


@pytest.mark.parametrize("made", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies_have_the_exact_count(made):
    opt = ours("AdamW", weights([(3,)]))
    walk(opt)
    for held in opt.state.values():
        held["step"].fill_(LIMIT)
    walk(opt, 1, start=1)
    twin = made(opt)
    walk(twin, 2, start=2)
    assert [held["step"].item() for held in twin.state.values()] == [LIMIT + 3]


def test_a_count_written_by_hand_in_between_is_taken():
    (p,) = params = weights([(3,)])
    opt = ours("AdamW", params)
    walk(opt)
    opt.state[p]["step"].fill_(LIMIT)
    walk(opt, 2)
    opt.state[p]["step"].fill_(7)
    walk(opt, 2)
    assert opt.state[p]["step"].item() == 9
    opt.state[p]["step"] = torch.tensor(float(LIMIT))
    walk(opt, 3)
    assert opt.state[p]["step"].item() == LIMIT + 3


@pytest.mark.parametrize("name", [*EVERY, "Adafactor", "Muon", "LBFGS"])
def test_under_another_default_device_a_step_is_what_it_is(name):
    def moved(device):
        p = Parameter(numbers((3, 4), 1))
        settings = EVERY.get(name, {})
        grad = numbers((3, 4), 2)
        with torch.device(device):
            opt = getattr(optim, name)([p], **settings)
            for _ in range(2):
                p.grad = grad.clone()
                opt.step(*([lambda: 1.0] if name == "LBFGS" else []))
        on = {v.device.type for v in opt.state[p].values() if isinstance(v, torch.Tensor)}
        assert on <= {"cpu"}
        return p

    assert torch.equal(moved("meta"), moved("cpu"))


@pytest.mark.parametrize("name", [*COUNTING, "Adafactor"])
@pytest.mark.parametrize("default", [torch.float64, torch.float32])
def test_a_count_is_of_the_type_that_torch_gives_it(name, default):
    before = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        p = Parameter(numbers((3, 4), 1))
        opt = getattr(optim, name)([p], **EVERY.get(name, {}))
        stepped(opt, p, 2)
    finally:
        torch.set_default_dtype(before)
    assert opt.state[p]["step"].dtype == default
