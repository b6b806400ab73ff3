"""A step that is like the last one is a prepared call: whatever changes between two, it notices."""

import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.gaps import can_walk, is_gapped, with_gaps
from tests.optim.runs import (
    APART,
    CHANGED,
    OURS,
    TWINS,
    assert_close,
    numbers,
    prepared,
    reloaded,
    walk,
)
from thalweg.chain import chain
from thalweg.fuse.prepared import PreparedCall
from thalweg.optim.memory.states import cell_of
from thalweg.optimizers import OPTIMIZERS
from thalweg.rules import SGD, Adam
from thalweg.stages import ClipNorm, StepDecay, TrustRatio

pytestmark = pytest.mark.usefixtures("numbers_in_double")

SHAPES = [(4, 3), (5,), (), (2, 3, 2, 2), (1, 4)]
# those whose steps can be prepared
KNOWN = [name for name in APART if name in OURS and PreparedCall.can_take(OPTIMIZERS[name])]


def plain(opt: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """An optimizer of ours whose steps all go the long way."""
    opt._prepared.prepare = lambda make: None
    return opt


class History:
    """Parameters under one of ours, and the same numbers under torch's class; where it has none,
    under ours, which never prepares."""

    def __init__(self, name: str) -> None:
        self.name, self.t, self.rests = name, 0, set[int]()
        self.mine = [Parameter(numbers(shape, i)) for i, shape in enumerate(SHAPES)]
        self.theirs = [Parameter(p.detach().clone()) for p in self.mine]
        self.way = "as it is"
        self.ours = getattr(optim, name)(self._groups(self.mine), **OURS[name])
        self.other = self._other(self._groups(self.theirs))

    def _other(self, groups: list[dict]) -> torch.optim.Optimizer:
        if self.name in TWINS:
            return getattr(torch.optim, self.name)(groups, **OURS[self.name])
        return plain(getattr(optim, self.name)(groups, **OURS[self.name]))

    @staticmethod
    def _groups(params: list[Parameter]) -> list[dict]:
        return [{"params": params[:3]}, {"params": params[3:], "lr": 0.02}]

    def step(self) -> None:
        self.t += 1
        for i, (p, q) in enumerate(zip(self.mine, self.theirs, strict=True)):
            given = numbers(q.shape, 100 * self.t + i)
            q.grad = None if i in self.rests else given
            if i in self.rests:
                p.grad = None
            elif self.way == "in place" and p.grad is not None:
                p.grad.copy_(given)
            else:
                p.grad = self._laid_out(given.clone())
        self.ours.step()
        self.other.step()
        assert_close(self.mine, self.theirs)

    def _laid_out(self, grad: Tensor) -> Tensor:
        if self.way == "turned" and grad.dim() > 1:
            return grad.mT.contiguous().mT
        if self.way == "in a bucket":
            return torch.cat([grad.reshape(-1), grad.reshape(-1)])[grad.numel() :].view(grad.shape)
        return with_gaps(grad) if self.way == "with gaps" else grad

    def calm_down(self) -> None:
        """From here on nothing must be copied for a step."""
        self.way, self.rests = "as it is", set()
        for p in self.mine:
            if not (can_walk(self.ours) and is_gapped(p)):
                p.data = p.data.contiguous()

    # what may happen between two steps; `k` chooses

    def rest(self, k: int) -> None:
        self.rests = {i for i in range(len(SHAPES)) if k >> i & 1}

    def lay_out(self, k: int) -> None:
        self.way = ["as it is", "in place", "turned", "in a bucket", "with gaps"][k % 5]

    def schedule(self, k: int) -> None:
        for opt in (self.ours, self.other):
            opt.param_groups[k % 2]["lr"] = [0.0, 0.001, 0.03, 0.1][k // 2 % 4]

    def change_settings(self, k: int) -> None:
        for opt in (self.ours, self.other):
            opt.param_groups[k % 2].update([CHANGED, OURS][k // 2 % 2][self.name])

    def turn_around(self, k: int) -> None:
        for opt in (self.ours, self.other):
            if "maximize" in opt.param_groups[0]:
                opt.param_groups[k % 2]["maximize"] = bool(k // 2 % 2)

    def move_a_parameter(self, k: int) -> None:
        p = self.mine[k % len(SHAPES)]
        ways = [lambda t: t.mT.contiguous().mT if t.dim() > 1 else t, torch.clone, with_gaps]
        p.data = ways[k % 3](p.data)

    def replace_a_state(self, k: int) -> None:
        held = self.ours.state[self.mine[k % len(SHAPES)]]
        for key, value in list(held.items())[k % 2 :: 2]:
            held[key] = value.clone()

    def move_a_state(self, k: int) -> None:
        for value in self.ours.state[self.mine[k % len(SHAPES)]].values():
            value.data = with_gaps(value.data) if k > 15 and value.dim() else value.data.clone()

    def swap_states(self, k: int) -> None:
        """Two arrays under each other's key, on both sides."""
        pairs = ((self.ours, self.mine), (self.other, self.theirs))
        for opt, params in pairs:
            held = opt.state[params[k % len(SHAPES)]]
            keys = [slot.key for slot in self.ours._chain.slots if slot.key in held][:2]
            if len(keys) == 2 and self.name != "Rprop":
                held[keys[0]], held[keys[1]] = held[keys[1]].abs(), held[keys[0]].abs()

    def count_again(self, k: int) -> None:
        pairs = ((self.ours, self.mine), (self.other, self.theirs))
        for opt, params in pairs:
            held = opt.state[params[k % len(SHAPES)]]
            if isinstance(held.get("step"), Tensor):
                held["step"].fill_(float(3 + k % 5))

    def wind_a_counter(self, k: int) -> None:
        """A count that is another tensor of the same number."""
        held = self.ours.state[self.mine[k % len(SHAPES)]]
        if isinstance(held.get("step"), Tensor):
            held["step"] = cell_of(float(held["step"]), held["step"].dtype)

    def load(self, k: int) -> None:
        self.ours.load_state_dict(reloaded(self.ours.state_dict()))

    def add_a_group(self, k: int) -> None:
        if len(self.mine) == len(SHAPES):
            self.mine.append(Parameter(numbers((3, 2), k)))
            self.theirs.append(Parameter(numbers((3, 2), k)))
            self.ours.add_param_group({"params": self.mine[-1:]})
            self.other.add_param_group({"params": self.theirs[-1:]})

    def freeze(self, k: int) -> None:
        self.mine[k % len(SHAPES)].requires_grad_(bool(k // 8 % 2))

    def use_threads(self, k: int) -> None:
        torch.set_num_threads(1 + k % 2)

    def take_a_tensor(self, k: int) -> None:
        """A rate that is a tensor, and changes in place; torch's capturable forms alone take it."""
        rate = torch.tensor(0.01 * (1 + k % 3))
        self.ours.param_groups[0]["lr"] = rate
        self.step_at(0.01 * (1 + k % 3))
        rate.fill_(0.02)
        self.step_at(0.02)
        self.ours.param_groups[0]["lr"] = 0.01
        self.step_at(0.01)

    def step_at(self, lr: float) -> None:
        self.other.param_groups[0]["lr"] = float(torch.tensor(lr))
        self.step()

    def use_a_hook(self, k: int) -> None:
        def hook(opt, args, kwargs):
            opt.param_groups[0]["lr"] = 0.005 * (1 + k % 3)

        handles = [opt.register_step_pre_hook(hook) for opt in (self.ours, self.other)]
        self.step()
        for handle in handles:
            handle.remove()


EVENTS = [
    History.rest,
    History.lay_out,
    History.schedule,
    History.change_settings,
    History.turn_around,
    History.move_a_parameter,
    History.replace_a_state,
    History.move_a_state,
    History.swap_states,
    History.count_again,
    History.wind_a_counter,
    History.load,
    History.add_a_group,
    History.freeze,
    History.use_threads,
    History.take_a_tensor,
    History.use_a_hook,
]
events = st.tuples(st.sampled_from(EVENTS), st.integers(0, 31))


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
@given(happening=st.lists(st.lists(events, max_size=2), min_size=3, max_size=12))
def test_whatever_happens_between_two_steps_the_numbers_stay_right(name, happening):
    threads = torch.get_num_threads()
    history = History(name)
    try:
        for _ in range(3):
            history.step()
        assert prepared(history.ours) > 0
        for of_one in happening:
            for event, k in of_one:
                event(history, k)
            history.step()
        before = prepared(history.ours)
        history.calm_down()
        for _ in range(2 + 32 + 2):  # however often it was disappointed
            history.step()
        assert before < prepared(history.ours) < history.t
    finally:
        torch.set_num_threads(threads)


def stepped(name: str, count: int = 5, **settings) -> tuple[torch.optim.Optimizer, list[Parameter]]:
    """An optimizer whose next step is prepared."""
    params = [Parameter(numbers(shape, i)) for i, shape in enumerate(SHAPES)]
    opt = getattr(optim, name)(params, lr=0.01, **settings)
    walk(opt, count)
    assert prepared(opt) == count - 2
    return opt, params


@pytest.mark.parametrize("name", ["SGD", "Adagrad"])
def test_a_gradient_that_is_sparse_all_at_once_goes_the_long_way(name):
    opt, params = stepped(name)
    other, theirs = stepped(name)
    for p in [*params, *theirs]:
        p.grad = torch.zeros_like(p)
    theirs[0].grad[1] = 2.0
    params[0].grad = theirs[0].grad.to_sparse(1)
    opt.step()
    other.step()
    assert_close(params, theirs)
    assert (prepared(opt), prepared(other)) == (3, 4)


def test_hooks_that_come_later_run_and_a_profiler_sees_the_step():
    opt, _ = stepped("AdamW")
    seen = []
    opt.register_step_pre_hook(lambda *_: seen.append("before"))
    handle = opt.register_step_post_hook(lambda *_: seen.append("after"))
    opt.step()
    assert seen == ["before", "after"]
    handle.remove()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        opt.step()
    assert "Optimizer.step#AdamW.step" in {event.name for event in profile.events()}
    assert prepared(opt) == 5


def test_a_setting_that_no_step_can_take_is_refused_and_nothing_moves():
    opt, params = stepped("AdamW")
    before = [p.detach().clone() for p in params]
    opt.param_groups[0]["lr"] = -1.0
    with pytest.raises(ValueError, match="AdamW: lr must be"):
        opt.step()
    assert_close(params, before)
    opt.param_groups[0]["lr"] = 0.01
    walk(opt, 3)
    assert prepared(opt) > 3


def test_a_step_keeps_no_gradient_alive():
    opt, params = stepped("AdamW")
    gone = [weakref.ref(p.grad) for p in params]
    opt.zero_grad()
    assert [one() for one in gone] == [None] * len(gone)


def test_those_that_measure_whole_tensors_are_among_them():
    assert {"LAMB", "LARS", "StableAdamW", "CautiousAdamW", "CautiousLion"} <= {*KNOWN}


CLIPPED = chain("Clipped", ClipNorm, SGD, lr=0.1)
TWICE = chain("Twice", ClipNorm, Adam, StepDecay, TrustRatio)  # a norm of what a norm has shortened


@pytest.mark.parametrize("made", [CLIPPED, TWICE], ids=lambda made: made.name)
def test_a_norm_of_all_gradients_is_measured_anew_at_each_step(made):
    sides = []
    for never in (False, True):
        params = [Parameter(numbers(shape, i)) for i, shape in enumerate([*SHAPES, (300, 300)])]
        opt = optim.optimizer(made)([{"params": params[:2]}, {"params": params[2:], "lr": 0.02}])
        sides.append((plain(opt) if never else opt, params))
    missing = {4: 1, 6: 3}  # by step, the parameter that then has no gradient
    for t in range(60):
        for opt, params in sides:
            for i, p in enumerate(params):
                p.grad = None if missing.get(t) == i else (1 + t % 5) * numbers(p.shape, 9 * t + i)
            opt.step()
        assert_close(*(params for _, params in sides))
    assert 30 < prepared(sides[0][0]) < 58


@pytest.mark.parametrize("name", ["SGD", "AdamW", "LAMB"])
def test_a_step_without_any_gradient_moves_nothing_and_the_next_one_all(name):
    (opt, params), (other, theirs) = stepped(name), stepped(name)
    for p in params:
        p.grad = None
    before = [p.detach().clone() for p in params]
    opt.step()
    assert_close(params, before)
    walk(opt, 2)
    walk(other, 2)
    assert_close(params, theirs)
    assert prepared(opt) == prepared(other) + 1
