"""Rules on whole matrices, and those that ask, live with all that every optimizer lives with."""

import copy
import io
import pickle
from functools import partial

import numpy as np
import pytest
import torch

import thalweg.optim as optim
from tests.matrices.settings import TRIED
from thalweg import mytorch
from thalweg.averaging import EMA
from thalweg.chain import chain
from thalweg.either import either
from thalweg.matrices import qr
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule, state
from thalweg.rules import Adam, Muon
from thalweg.stages import ClipNorm, DecoupledDecay, Lookahead, TrustRatio

RELATIVES = ["AdaMuon", "Dion", "MuSGD", "NorMuon", "Scion"]
LOW_RANK = ["APOLLO", "GaLore"]
MATRICES = ["Muon", "PSGDKron", "SOAP", "Shampoo", *RELATIVES, *LOW_RANK]
NAMES = ["AdamMini", "CAME", "SAM", "Sophia", *MATRICES]
APART = ["AdamMini", "CAME", *MATRICES]
SHAPES = [(6, 6), (5, 5), (6, 6)]


def numbers(shape, seed):
    return np.random.default_rng(seed).normal(size=shape)


def asked_of(opt):
    """The losses that a step asks its closures for."""
    return {one.of for one in opt._chain.requests.values() if one.kind != "noise"}


class Run:
    """An optimizer of torch's tensors on a loss that depends on the step."""

    def __init__(self, made, shapes=SHAPES, dtype=torch.float64, **settings):
        self.params = [
            torch.nn.Parameter(torch.tensor(numbers(shape, i), dtype=dtype))
            for i, shape in enumerate(shapes)
        ]
        self.made, self.settings = made, settings
        self.opt = self.make(self.params)

    def make(self, params):
        if isinstance(self.made, str):
            return getattr(optim, self.made)(params, **{**TRIED[self.made], **self.settings})
        return optim.optimizer(self.made)(params, **self.settings)

    def closure(self, t, of=0):
        def run():
            for i, p in enumerate(self.params):
                g = torch.tensor(numbers(p.shape, 1000 * t + 10 * i + of), dtype=p.dtype)
                p.grad = g + 0.1 * p.detach() ** 3 if p.dtype == torch.float64 else g

        return run

    def walk(self, steps, start=0):
        for t in range(start, start + steps):
            if asked := asked_of(self.opt):
                more = {name: self.closure(t, 5) for name in asked - {"loss"}}
                self.opt.step(self.closure(t), **more)
            else:
                self.closure(t)()
                self.opt.step()

    @property
    def values(self):
        return [p.detach().clone() for p in self.params]


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_in_mid_run_is_as_if_there_were_none(name):
    whole, begun = Run(name), Run(name)
    whole.walk(9)
    begun.walk(4)
    file = io.BytesIO()
    torch.save({"opt": begun.opt.state_dict(), "params": begun.values}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    second = Run(name)
    for p, value in zip(second.params, saved["params"], strict=True):
        p.data.copy_(value)
    second.opt.load_state_dict(saved["opt"])
    second.walk(5, start=4)
    assert_same(second.values, whole.values)


@pytest.mark.parametrize(
    "way", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["deepcopy", "pickle"]
)
@pytest.mark.parametrize("name", NAMES)
def test_a_copy_goes_on_as_the_original(name, way):
    run = Run(name)
    run.walk(3)
    twin = Run(name)
    twin.opt = way(run.opt)
    twin.params = [p for group in twin.opt.param_groups for p in group["params"]]
    run.walk(3, start=3)
    twin.walk(3, start=3)
    assert_same(twin.values, run.values)


@pytest.mark.parametrize("name", NAMES)
def test_an_average_is_kept_of_what_the_weights_were(name):
    run = Run(name, average=EMA(0.5))
    mean = None
    for t in range(6):
        run.walk(1, start=t)
        mean = (
            run.values
            if mean is None
            else [torch.lerp(a, p, 0.5) for a, p in zip(mean, run.values, strict=True)]
        )
    for p, wanted in zip(run.params, mean, strict=True):
        torch.testing.assert_close(run.opt.state[p]["average"], wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_wide_states_of_narrow_weights(name):
    run = Run(name, dtype=torch.bfloat16, state_dtype="float32")
    run.walk(4)
    for held in run.opt.state.values():
        singles = held.keys() - run.opt._chain.doubles
        assert {held[key].dtype for key in singles} == {torch.float32}
    assert all(torch.isfinite(p).all() for p in run.params)


@pytest.mark.parametrize("name", MATRICES)
def test_matrices_of_narrow_weights_are_of_single_precision(name):
    run = Run(name, dtype=torch.bfloat16)
    run.walk(3)
    slots = [slot for slot in run.opt._chain.slots if slot.state.is_apart]
    held = list(run.opt.state.values())
    kinds = {one[s.key].dtype for one in held for s in slots if s.key in one}
    assert kinds == ({torch.float32} if slots else set())


@pytest.mark.parametrize("name", ["SOAP", "Shampoo"])
def test_a_matrix_of_another_shape_is_refused_by_load_and_by_step(name):
    run = Run(name, [(6, 6), (5, 3)])
    run.walk(2)
    before = run.values
    saved = run.opt.state_dict()
    run.opt.load_state_dict(copy.deepcopy(saved))
    saved["state"][1]["left"] = torch.zeros(3, 5)
    with pytest.raises(ValueError, match=r"left.*\(5, 5\)"):
        run.opt.load_state_dict(saved)
    run.opt.state[run.params[1]]["left"] = torch.zeros(3, 5, dtype=torch.float64)
    with pytest.raises(
        RuntimeError, match=r"the state 'left' must have the shape \(5, 5\), got \(3, 5\)"
    ):
        run.walk(1, start=2)
    assert_same(run.values, before)


@pytest.mark.parametrize("name", ["SOAP", "Shampoo"])
def test_a_gradient_that_no_basis_can_be_found_of_moves_nothing(name):
    run = Run(name)
    run.walk(2)
    before = run.values
    states = copy.deepcopy(list(run.opt.state.values()))
    run.opt.param_groups[0]["precondition_frequency"] = 1
    run.closure(2)()
    run.params[1].grad[0, 0] = torch.inf
    if name == "Shampoo":
        with pytest.raises(ArithmeticError, match=r"Shampoo: `P, Q = inverse_root.*eigh"):
            run.opt.step()
        assert_same(run.values, before)
        for held, kept in zip(run.opt.state.values(), states, strict=True):
            assert_same(held.values(), kept.values())
    else:  # a QR has no trouble: the weights become NaN, as the authors' do
        run.opt.step()
        assert torch.isnan(run.params[1]).any()
        assert torch.isfinite(run.params[0]).all()


@pytest.mark.parametrize("name", APART)
def test_a_late_gradient_gets_the_first_step_it_would_have_got(name):
    late, early = Run(name, lr=0.01), Run(name, lr=0.01)
    for t in range(5):
        late.closure(t)()
        late.params[1].grad = None
        late.opt.step()
    for t in range(4):
        for run in (late, early):
            run.closure(100 + t)()
            run.opt.step()
    assert torch.equal(late.params[1], early.params[1])


@pytest.mark.parametrize("layout", ["transposed", "a piece", "channels last"])
@pytest.mark.parametrize("name", ["AdamMini", "CAME", "SOAP", "Shampoo"])
def test_the_step_does_not_ask_how_weights_lie(name, layout):
    shape = (4, 4, 1, 1) if layout == "channels last" else (4, 4)
    runs = [Run(name, [shape, (3,)]) for _ in range(2)]
    p = runs[0].params[0]
    if layout == "transposed":
        p.data = p.data.mT.contiguous().mT
    elif layout == "a piece":
        p.data = torch.cat([p.data, p.data], 1)[:, :4]
    else:
        p.data = p.data.to(memory_format=torch.channels_last)
    for run in runs:
        run.walk(5)
    for a, b in zip(*(run.values for run in runs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    "parts",
    [
        (ClipNorm, Muon, TrustRatio),
        (DecoupledDecay, either(Muon, Adam), Lookahead),
        (ClipNorm, either(OPTIMIZERS["Muon"], OPTIMIZERS["AdamW"])),
    ],
    ids=["ratio", "either", "chains"],
)
def test_composed_with_stages_torch_and_numpy_agree(parts):
    """Within what bfloat16, in which torch iterates, leaves of a direction."""
    made = chain("Mine", *parts, lr=0.01)
    shapes = [(6, 4), (5, 5)] + [(5,)] * (len(made.choice.alternatives) > 1)
    run = Run(made, shapes)
    params = [mytorch.nn.Parameter(numbers(shape, i)) for i, shape in enumerate(shapes)]
    opt = mytorch.optim.optimizer(made)(params)
    for t in range(8):
        run.closure(t)()
        for p, q in zip(params, run.params, strict=True):
            p.grad = q.grad.numpy().copy()
        run.opt.step()
        opt.step()
    for p, q in zip(params, run.params, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), atol=8 * 0.01 * 0.05)


def test_one_optimizer_for_a_model_gives_each_tensor_its_rule():
    made = chain("MuonAdam", either(Muon, Adam))
    whole = Run(made, [(6, 4), (5,)], lr=0.02, others_lr=3e-3, others_betas=(0.8, 0.9))
    muon, adam = Run("Muon", [(6, 4)], lr=0.02, weight_decay=0.0), Run(chain("A", Adam), [(5,)])
    adam.params[0].data.copy_(whole.params[1].data)
    adam.opt.param_groups[0] |= {"lr": 3e-3, "betas": (0.8, 0.9)}
    for t in range(6):
        whole.closure(t)()
        for other, i in ((muon, 0), (adam, 1)):
            other.params[0].grad = whole.params[i].grad.clone()
            other.opt.step()
        whole.opt.step()
    assert torch.equal(whole.params[0], muon.params[0])
    assert torch.equal(whole.params[1], adam.params[0])
    assert set(whole.opt.state[whole.params[0]]) == {"step", "momentum_buffer"}
    assert set(whole.opt.state[whole.params[1]]) == {"step", "exp_avg", "exp_avg_sq"}


def test_a_shape_that_nobody_takes_is_refused_before_it_is_kept():
    run = Run("Muon")
    with pytest.raises(ValueError, match=r"a parameter of shape \(3,\) is none that Muon takes"):
        run.opt.add_param_group({"params": [torch.nn.Parameter(torch.zeros(3))]})
    assert len(run.opt.param_groups) == 1
    params = [mytorch.nn.Parameter(np.zeros(3))]
    with pytest.raises(ValueError, match=r"a parameter of shape \(3,\) is none that Muon takes"):
        mytorch.optim.Muon(params)


def test_complex_weights_are_refused():
    p = torch.nn.Parameter(torch.zeros(3, 3, dtype=torch.complex64))
    p.grad = torch.ones_like(p)
    with pytest.raises(RuntimeError, match="SOAP does not support complex parameters"):
        optim.SOAP([p]).step()


@pytest.mark.parametrize("name", NAMES)
def test_on_numpy_a_file_in_mid_run_is_as_if_there_were_none(name):
    def walk(params, opt, steps, start=0):
        for t in range(start, start + steps):

            def closure(of=0, t=t):
                for i, p in enumerate(params):
                    p.grad = numbers(p.shape, 1000 * t + 10 * i + of)

            asked = asked_of(opt)
            more = {one: partial(closure, 5) for one in asked - {"loss"}}
            if asked:
                opt.step(closure, **more)
            else:
                closure()
                opt.step()

    def made():
        params = [
            mytorch.nn.Parameter(numbers(shape, i)) for i, shape in enumerate([(6, 4), (5, 5)])
        ]
        return params, getattr(mytorch.optim, name)(params, **TRIED[name])

    whole, begun, second = made(), made(), made()
    walk(*whole, 7)
    walk(*begun, 3)
    for p, q in zip(second[0], begun[0], strict=True):
        p.data[...] = q.data
    second[1].load_state_dict(begun[1].state_dict())
    walk(*second, 4, start=3)
    for p, q in zip(second[0], whole[0], strict=True):
        np.testing.assert_array_equal(p.data, q.data)


class Low(Rule):
    """Two sketches of as many columns as a group says."""

    lr: float = 0.1
    rank: int = 2
    B = state("B", per=("rows", "rank"))

    @staticmethod
    def update(g, B, lr, rank):
        B = B + g @ (g.mT @ (B + 1.0))
        u = lr * (B @ (B.mT @ g))
        return u, B


def test_groups_may_have_matrices_of_other_sides():
    params = [torch.nn.Parameter(torch.ones(3, 5)) for _ in range(2)]
    opt = optim.optimizer(Low)([{"params": params[:1]}, {"params": params[1:], "rank": 3}])
    for p in params:
        p.grad = torch.ones(3, 5)
    opt.step()
    assert [tuple(opt.state[p]["B"].shape) for p in params] == [(3, 2), (3, 3)]


def test_a_wide_matrix_has_no_orthogonal_columns():
    class Wide(Rule):
        lr: float = 0.1

        @staticmethod
        def update(g, lr):
            d = qr(g)
            u = lr * d
            return u

    p = torch.nn.Parameter(torch.randn(3, 4))
    p.grad = torch.randn(3, 4)
    with pytest.raises(ArithmeticError, match=r"Wide: `d = qr\(g\)`: qr is of .* got 3 x 4"):
        optim.optimizer(Wide)([p]).step()


def test_a_side_that_a_program_has_changed_is_refused_by_the_step():
    p = torch.nn.Parameter(torch.ones(3, 5))
    opt = optim.optimizer(Low)([p])
    p.grad = torch.ones(3, 5)
    opt.step()
    before = p.detach().clone()
    opt.param_groups[0]["rank"] = 3
    with pytest.raises(RuntimeError, match=r"state 'B' must have the shape \(3, 3\), got \(3, 2\)"):
        opt.step()
    assert torch.equal(p.detach(), before)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0)])
@pytest.mark.parametrize("name", MATRICES)
def test_an_empty_matrix_takes_no_part(name, shape):
    alone, beside = Run(name), Run(name, shapes=[*SHAPES, shape])
    alone.walk(4)
    beside.walk(4)
    assert_same(beside.values[: len(SHAPES)], alone.values)
