"""Rules that ask for another gradient: at other weights, or of another loss."""

import copy

import numpy as np
import pytest
import torch

import thalweg.optim as optim
from tests.matrices import papers
from thalweg import mytorch
from thalweg.chain import chain
from thalweg.reductions import norm
from thalweg.requests import gradient as asked
from thalweg.rule import Stage
from thalweg.rules import Adam
from thalweg.stages import SAM, Lookahead

SHAPES = [(3, 4), (4,), ()]
SETTINGS = [
    {"lr": 0.02},
    {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1, "rho": 0.2},
    {"lr": 0.01, "rho": 0.5, "adaptive": True},
]


def started(seed=0):
    draw = np.random.default_rng(seed)
    return [draw.normal(size=shape) for shape in SHAPES]


CENTRES = started(1)


def gradient(weights):
    """Of a loss whose curvature is not the same everywhere."""
    return [4 * (w - c) ** 3 + w for w, c in zip(weights, CENTRES, strict=True)]


def sampled(weights):
    return [np.cos(3 * w) for w in weights]


class OnTorch:
    def __init__(self, name_or_chain, weights, dtype=torch.float64, **settings):
        self.params = [torch.nn.Parameter(torch.tensor(w, dtype=dtype)) for w in weights]
        make = optim.optimizer(name_or_chain) if not isinstance(name_or_chain, str) else None
        self.opt = (make or getattr(optim, name_or_chain))(self.params, **settings)

    def closure(self, of=gradient):
        def run():
            self.opt.zero_grad()
            for p, g in zip(
                self.params, of([p.detach().numpy() for p in self.params]), strict=True
            ):
                p.backward(torch.tensor(g, dtype=p.dtype).reshape(p.shape))
            return 7.0

        return run

    @property
    def values(self):
        return [p.detach().numpy() for p in self.params]


class OnNumpy:
    def __init__(self, name_or_chain, weights, **settings):
        self.params = [mytorch.nn.Parameter(np.asarray(w)) for w in weights]
        made = mytorch.optim.optimizer
        make = (
            getattr(mytorch.optim, name_or_chain)
            if isinstance(name_or_chain, str)
            else made(name_or_chain)
        )
        self.opt = make(self.params, **settings)

    def closure(self, of=gradient):
        def run():
            self.opt.zero_grad()
            for p, g in zip(self.params, of([p.data for p in self.params]), strict=True):
                p.grad = np.asarray(g).reshape(p.shape)
            return 7.0

        return run

    @property
    def values(self):
        return [p.data for p in self.params]


BORDERS = [OnTorch, OnNumpy]


def assert_close(have, want, rtol=1e-12):
    for a, b in zip(have, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-13)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_sam_takes_its_papers_steps(border, settings):
    run = border("SAM", started(), **settings)
    for _ in range(30):
        assert run.opt.step(run.closure()) == 7.0
    assert_close(run.values, papers.sam(started(), gradient, 30, **settings))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize(
    "settings", [{"lr": 0.01}, {"lr": 0.02, "k": 3, "weight_decay": 0.1, "batch_size": 4}], ids=str
)
def test_sophia_takes_its_papers_steps(border, settings):
    run = border("Sophia", started(), **settings)
    for _ in range(25):
        run.opt.step(run.closure(), sampled=run.closure(sampled))
    assert_close(run.values, papers.sophia(started(), gradient, sampled, 25, **settings))


@pytest.mark.parametrize("border", BORDERS)
def test_a_step_in_two_is_a_step_with_a_closure(border):
    one, two = (border("SAM", started(), lr=0.02, momentum=0.9) for _ in range(2))
    for _ in range(5):
        one.opt.step(one.closure())
        compute = two.closure()
        compute()
        two.opt.first_step()
        assert all(p.grad is None for p in two.params)
        compute()
        two.opt.second_step()
    assert_close(two.values, one.values, rtol=0)


@pytest.mark.parametrize("border", BORDERS)
def test_gradients_and_weights_are_put_back(border):
    run = border("SAM", started(), lr=0.0, rho=1.0)
    before = [value.copy() for value in run.values]
    run.opt.step(run.closure())
    assert_close(run.values, before, rtol=0)
    assert_close([np.asarray(p.grad) for p in run.params], gradient(before))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("call", [2, 1])
def test_a_closure_that_raises_leaves_everything_as_it_was(border, call):
    run = border(chain("SAMAdam", SAM, Adam, Lookahead, lr=0.01, k=2), started())
    plain = run.closure()
    for _ in range(3):
        run.opt.step(plain)
    before = [value.copy() for value in run.values]
    kept = {
        i: {k: np.asarray(v).copy() for k, v in held.items()}
        for i, held in enumerate(run.opt.state.values())
    }
    count = 0

    def failing():
        nonlocal count
        count += 1
        plain()
        if count == call:
            raise OSError("no more data")
        return 0.0

    with pytest.raises(OSError, match="no more data"):
        run.opt.step(failing)
    assert_close(run.values, before, rtol=0)
    for i, held in enumerate(run.opt.state.values()):
        for key, value in held.items():
            np.testing.assert_array_equal(np.asarray(value), kept[i][key])


@pytest.mark.parametrize("border", BORDERS)
def test_a_first_step_that_fails_is_still_the_first(border):
    run, twin = (border(chain("SAMAdam", SAM, Adam, lr=0.01), started()) for _ in range(2))
    calls = []

    def failing():
        calls.append(run.closure()())
        if len(calls) == 2:
            raise OSError("once more")

    with pytest.raises(OSError, match="once more"):
        run.opt.step(failing)
    for one in (run, twin):
        for _ in range(3):
            one.opt.step(one.closure())
    assert_close(run.values, twin.values, rtol=0)


def test_the_norm_is_over_all_tensors_the_odd_ones_too():
    """One lies with gaps between its elements, where no kernel runs."""
    run, twin = (OnTorch("SAM", started(), lr=0.02) for _ in range(2))
    wide = torch.stack([run.params[0].detach()] * 2, -1)[..., 0]
    run.params[0].data = wide
    for one in (run, twin):
        for _ in range(5):
            one.opt.step(one.closure())
    assert not run.params[0].is_contiguous()
    assert_close(run.values, twin.values)


def test_only_odd_tensors_ask_as_well():
    run, twin = (OnTorch("SAM", started(), lr=0.02) for _ in range(2))
    for p in run.params:
        p.data = torch.stack([p.detach()] * 2, -1)[..., 0]
    for one in (run, twin):
        for _ in range(5):
            one.opt.step(one.closure())
    assert_close(run.values, twin.values)


def test_a_parameter_without_a_gradient_stays_where_it_is():
    run = OnTorch("SAM", started(), lr=0.02)
    still = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))
    run.opt.add_param_group({"params": [still]})
    run.opt.step(run.closure())
    assert torch.equal(still.detach(), torch.ones(3, dtype=torch.float64))
    assert still.grad is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_in_short_types(dtype):
    run = OnTorch("SAM", started(), torch.float32, lr=0.02)
    short = OnTorch("SAM", started(), torch.float32, lr=0.02)
    for p in short.params:
        p.data = p.data.to(dtype)

    def closure():
        short.opt.zero_grad()
        values = [p.detach().float().numpy() for p in short.params]
        for p, g in zip(short.params, gradient(values), strict=True):
            p.backward(torch.tensor(g).to(dtype).reshape(p.shape))

    for _ in range(3):
        run.opt.step(run.closure())
        short.opt.step(closure)
    for a, b in zip(short.params, run.params, strict=True):
        tolerance = 0.1 if dtype == torch.bfloat16 else 1e-5
        torch.testing.assert_close(a.float(), b.float(), rtol=tolerance, atol=tolerance)


WRONG = {
    "no closure": (
        lambda run: [run.closure()(), run.opt.step()],
        RuntimeError,
        "SAM: a step asks for the gradient of the loss once more and must be given a closure that "
        "computes it, step(closure), or be taken as first_step() and second_step()",
    ),
    "a closure that nobody asks for": (
        lambda run: run.opt.step(run.closure(), sampled=run.closure()),
        TypeError,
        "SAM: step was given a closure 'sampled', which no part asks for",
    ),
    "the second half first": (
        lambda run: run.opt.second_step(),
        RuntimeError,
        "SAM: second_step() comes after first_step()",
    ),
    "the first half twice": (
        lambda run: [run.closure()(), run.opt.first_step(), run.opt.first_step()],
        RuntimeError,
        "SAM: first_step() was called after first_step(); call second_step() first, so that the "
        "weights are back",
    ),
}


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("what", WRONG)
def test_wrong_uses_are_refused_in_a_sentence(border, what):
    use, kind, sentence = WRONG[what]
    run = border("SAM", started(), lr=0.1)
    with pytest.raises(kind) as refused:
        use(run)
    assert str(refused.value) == sentence


@pytest.mark.parametrize("border", BORDERS)
def test_sophia_names_the_closure_that_it_lacks(border):
    run = border("Sophia", started())
    with pytest.raises(
        RuntimeError, match=r"gradient of the sampled loss once more .* sampled=closure"
    ):
        run.opt.step(run.closure())
    with pytest.raises(RuntimeError, match=r"first_step\(\) is for a rule that asks for one more"):
        run.opt.first_step()


class Every(Stage):
    """SAM every other step."""

    k: int = 2
    rho: float = 0.1

    @staticmethod
    def update(p, g, t, k, rho):
        if t % k == 0:
            g = asked(p + rho * g / (norm(g, "all") + 1e-12))
        return g


@pytest.mark.parametrize("border", BORDERS)
def test_a_step_that_asks_nothing_is_taken_by_its_second_half(border):
    made = chain("Look", Every, Adam, lr=0.02)
    one, two = border(made, started()), border(made, started())
    for _ in range(6):
        one.opt.step(one.closure())
        compute = two.closure()
        compute()
        before = [value.copy() for value in two.values]
        two.opt.first_step()
        if two.opt.state and int(next(iter(two.opt.state.values()))["step"]) % 2 == 0:
            assert_close(two.values, before, rtol=0)
        compute()
        two.opt.second_step()
    assert_close(two.values, one.values, rtol=0)


BETWEEN = {
    "a step": lambda run: run.opt.step(run.closure()),
    "a file": lambda run: run.opt.load_state_dict(run.opt.state_dict()),
    "a copy": lambda run: copy.deepcopy(run.opt),
    "a look": lambda run: run.opt.evaluation().__enter__(),
    "the end of a round": lambda run: run.opt.sync(),
}


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("what", BETWEEN)
def test_between_the_halves_the_weights_are_nobody_elses(border, what):
    run, twin = (border(chain("L", SAM, Adam, Lookahead, lr=0.02), started()) for _ in range(2))
    for one in (run, twin):
        one.opt.step(one.closure())
        one.closure()()
        one.opt.first_step()
    with pytest.raises(RuntimeError, match=r"first_step\(\); call second_step\(\) first"):
        BETWEEN[what](run)
    for one in (run, twin):
        one.closure()()
        one.opt.second_step()
    assert_close(run.values, twin.values, rtol=0)


@pytest.mark.parametrize("border", BORDERS)
def test_a_second_half_that_fails_may_be_tried_again(border):
    run, twin = (border("SAM", started(), lr=0.02) for _ in range(2))
    for one in (run, twin):
        one.closure()()
        one.opt.first_step()
        one.closure()()
    run.opt.param_groups[0]["lr"] = -1.0
    with pytest.raises(ValueError, match="lr must be >= 0"):
        run.opt.second_step()
    run.opt.param_groups[0]["lr"] = 0.02
    for one in (run, twin):
        one.opt.second_step()
    assert_close(run.values, twin.values, rtol=0)


def test_who_joins_between_the_halves_is_told_in_a_sentence():
    run = OnTorch("SAM", started(), lr=0.02)
    run.closure()()
    run.opt.first_step()
    late = torch.nn.Parameter(torch.ones(2, dtype=torch.float64))
    run.opt.add_param_group({"params": [late]})
    late.grad = torch.ones_like(late)
    run.closure()()
    late.grad = torch.ones_like(late)
    run.opt._elsewhere.grads.append((late, late.grad))
    with pytest.raises(RuntimeError, match="has joined since"):
        run.opt.second_step()


def test_fit_takes_it_in_two():
    rng = np.random.default_rng(0)
    model = mytorch.nn.Linear(3, 1)
    opt = mytorch.optim.SAM(model, lr=0.05)
    batches = [(rng.normal(size=(8, 3)).astype(np.float32), np.ones((8, 1), np.float32))] * 20
    history = mytorch.fit(model, mytorch.nn.MSELoss(), opt, batches, epochs=2)
    assert history.loss[1] < history.loss[0]


@pytest.mark.parametrize("border", [OnTorch, OnNumpy])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_to_maximize_is_to_minimize_the_negative(border, settings):
    def negative(weights):
        return [-g for g in gradient(weights)]

    up = border("SAM", started(), maximize=True, **settings)
    down = border("SAM", started(), **settings)
    for _ in range(5):
        up.opt.step(up.closure(negative))
        down.opt.step(down.closure(gradient))
    for one, other in zip(up.values, down.values, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-14)
