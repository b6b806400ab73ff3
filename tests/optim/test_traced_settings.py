"""Settings are part of what make_fx traces; a compiled step reads the live ones."""

import copy

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import CHANGED, OURS, assert_close, numbers, ours
from thalweg.averaging import EMA

# what torch says of its own code while it compiles
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")

swap = pytest.importorskip("torch.optim._stateless").swap_in_optimizer_params_and_state

OTHERS = {name: {"lr": 0.5, "weight_decay": 0.3, "maximize": True} for name in OURS}
OTHERS = {name: OTHERS[name] | CHANGED[name] for name in OURS} | {
    "Muon": {"lr": 0.5, "momentum": 0.5, "ns_steps": 2, "weight_decay": 0.4}
}


def stepping(opt, groups):
    """A step of given tensors under given settings, as a function that can be traced."""

    def step(p, state, grad):
        p.grad = grad
        saved = {"state": {0: state}, "param_groups": groups}
        with swap(opt, {"p": p}, saved):
            opt.step()
        return p, state

    return step


def settings_of(name):
    held = getattr(optim, name)([Parameter(torch.ones(1, 1))]).param_groups[0]
    return [(name, key) for key in OTHERS[name] if key in held]


@pytest.mark.parametrize(("name", "key"), [pair for name in OTHERS for pair in settings_of(name)])
def test_a_graph_steps_with_the_settings_that_were_swapped_in(name, key):
    p = Parameter(numbers((4, 3), 1))
    opt = ours(name, [p]) if name in OURS else optim.Muon([p])
    p.grad = numbers((4, 3), 2)
    opt.step()
    groups = copy.deepcopy(opt.state_dict()["param_groups"])
    groups[0][key] = OTHERS[name][key]
    step, grad = stepping(opt, groups), numbers((4, 3), 3)

    def given():
        return p.detach().clone(), copy.deepcopy(opt.state_dict()["state"][0]), grad

    graph = make_fx(step)(*given())
    (want, want_state), (have, have_state) = step(*given()), graph(*given())
    assert_close([have, *have_state.values()], [want, *want_state.values()])


def test_a_swapped_rate_gives_what_torch_gives():
    found = []
    for library in (optim, torch.optim):
        p = Parameter(torch.zeros(1))
        opt = library.SGD([p], lr=0.1, momentum=0.9)
        p.grad = torch.ones(1)
        opt.step()
        groups = [{**opt.state_dict()["param_groups"][0], "lr": 0.5}]
        start = torch.zeros(1), {"momentum_buffer": torch.ones(1)}, torch.ones(1)
        graph = make_fx(stepping(opt, groups))(*map(copy.deepcopy, start))
        found.append(graph(*map(copy.deepcopy, start))[0].item())
    assert found == pytest.approx([-0.95, -0.95])


def test_a_rate_that_is_a_tensor_is_an_input_of_the_graph():
    p = Parameter(torch.zeros(1))
    opt = optim.SGD([p], lr=torch.tensor(0.1), momentum=0.9)
    p.grad = torch.ones(1)
    opt.step()
    (group,) = opt.state_dict()["param_groups"]

    def step(p, state, grad, rate):
        return stepping(opt, [{**group, "lr": rate}])(p, state, grad)

    def given(rate):
        return (
            torch.zeros(1),
            {"momentum_buffer": torch.ones(1)},
            torch.ones(1),
            torch.tensor(rate),
        )

    graph = make_fx(step)(*given(0.1))
    assert graph(*given(0.5))[0].item() == pytest.approx(-0.95)


def test_a_state_that_only_the_swapped_settings_keep_is_moved():
    p, q = Parameter(torch.zeros(2)), Parameter(torch.zeros(2))
    plain, full = optim.AdamW([p]), optim.AdamW([q], amsgrad=True)
    for one, opt in ((p, plain), (q, full)):
        one.grad = torch.ones(2)
        opt.step()
    saved = full.state_dict()
    given = torch.zeros(2), copy.deepcopy(saved["state"][0]), torch.full((2,), 9.0)
    graph = make_fx(stepping(plain, saved["param_groups"]))(*map(copy.deepcopy, given))
    have = graph(*map(copy.deepcopy, given))[1]["max_exp_avg_sq"]
    q.grad = torch.full((2,), 9.0)
    full.step()
    assert_close([have], [full.state[q]["max_exp_avg_sq"]])


def test_an_average_of_what_has_no_gradient_moves_in_a_compiled_step():
    mine, plain = ([Parameter(numbers((3,), i)) for i in range(2)] for _ in range(2))
    opt = ours("AdamW", mine, average=EMA(0.9))
    other = ours("AdamW", plain, average=EMA(0.9))
    torch._dynamo.reset()
    step = torch.compile(opt.step, backend="eager", fullgraph=True)
    for t in range(4):
        for params in (mine, plain):
            params[0].grad = numbers((3,), t)
            params[1].grad = numbers((3,), 9) if t < 2 else None
        step()
        other.step()
    torch._dynamo.reset()
    assert_close(mine, plain)
    for p, q in zip(mine, plain, strict=True):
        assert_close([opt.state[p]["average"]], [other.state[q]["average"]])
