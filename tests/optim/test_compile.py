"""torch.compile takes a step as one operator; tracers and fake tensors get through it."""

import gc

import pytest
import torch
from torch._subclasses import FakeTensor, FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import Linear, Parameter

from tests.optim.runs import (
    OURS,
    assert_close,
    assert_same,
    assert_same_state,
    give_gradients,
    numbers,
    ours,
    prepared,
    values,
    walk,
    weights,
)
from thalweg import rules
from thalweg.chain import chain
from thalweg.optim import optimizer
from thalweg.stages import ClipNorm

# what torch says of its own code while it compiles
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def forget_compiled_code():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("name", OURS)
def test_a_compiled_step_is_a_step(name, backend):
    mine, plain = weights(), weights()
    opt, other = ours(name, mine), ours(name, plain)
    step = torch.compile(opt.step, backend=backend, fullgraph=True)
    for t in range(7):
        give_gradients(mine, t)
        give_gradients(plain, t)
        step()
        other.step()
    assert_same(mine, plain)
    assert_same_state(opt, other)


@pytest.mark.parametrize("name", ["SGD", "AdamW", "LAMB"])
def test_a_step_that_is_compiled_alone_is_taken_as_it_is(name):
    mine, plain = weights(), weights()
    opt, other = ours(name, mine), ours(name, plain)
    torch._dynamo.utils.counters.clear()
    step = torch.compile(opt.step)
    for t in range(7):
        give_gradients(mine, t)
        give_gradients(plain, t)
        step()
        other.step()
    assert_same(mine, plain)
    assert_same_state(opt, other)
    assert not torch._dynamo.utils.counters["stats"]
    assert prepared(opt) == prepared(other)


@pytest.mark.parametrize("name", OURS)
def test_a_compiled_step_compiles_twice_at_most(name):
    """Once while the states are made, and once with them; never again for another lr."""
    params = weights()
    opt = ours(name, params)
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph

    step = torch.compile(opt.step, backend=backend, fullgraph=True)
    for t in range(6):
        give_gradients(params, t)
        opt.param_groups[0]["weight_decay"] = 0.1 * t
        step()
    assert len(graphs) <= 2


def test_groups_are_one_operator_so_that_a_norm_is_over_all_of_them():
    clipped = optimizer(chain("Clipped", ClipNorm, rules.SGD, lr=0.1, max_norm=0.5))
    mine, plain = weights(), weights()
    groups = [[{"params": each[:2]}, {"params": each[2:], "lr": 0.3}] for each in (mine, plain)]
    opt, other = map(clipped, groups)
    step = torch.compile(opt.step, backend="eager", fullgraph=True)
    for t in range(3):
        give_gradients(mine, t)
        give_gradients(plain, t)
        step()
        other.step()
    assert_same(mine, plain)


def test_a_spared_parameter_is_spared_in_a_graph():
    mine, plain = weights(), weights()
    settings = {"weight_decay": 0.5, "decay_filter": "no_bias_norm"}
    opt, other = ours("AdamW", mine, **settings), ours("AdamW", plain, **settings)
    step = torch.compile(opt.step, backend="eager", fullgraph=True)
    for t in range(3):
        give_gradients(mine, t)
        give_gradients(plain, t)
        step()
        other.step()
    assert_same(mine, plain)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SGD", "AdamW", "Ranger"])
def test_inductor_takes_a_step(name):
    mine, plain = weights(), weights()
    opt, other = ours(name, mine), ours(name, plain)
    step = torch.compile(opt.step, fullgraph=True)
    for t in range(4):
        give_gradients(mine, t)
        give_gradients(plain, t)
        step()
        other.step()
    assert_same(mine, plain)


@pytest.mark.parametrize("name", ["SGD", "Ranger"])
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_a_compiled_training_function_trains(name, backend):
    model, plain = Linear(4, 3, dtype=torch.float64), Linear(4, 3, dtype=torch.float64)
    model.load_state_dict(plain.state_dict())
    opt, other = ours(name, model.parameters()), ours(name, plain.parameters())

    def train(model, opt, x):
        opt.zero_grad()
        model(x).square().mean().backward()
        opt.step()

    compiled = torch.compile(train, backend=backend)
    for t in range(5):
        x = numbers((6, 4), t)
        compiled(model, opt, x)
        train(plain, other, x)
    assert_close(model.parameters(), plain.parameters())


def test_a_compiled_model_is_trained_as_any_other():
    model, plain = Linear(4, 3, dtype=torch.float64), Linear(4, 3, dtype=torch.float64)
    model.load_state_dict(plain.state_dict())
    compiled = torch.compile(model, backend="eager")
    opt, other = ours("AdamW", compiled.parameters()), ours("AdamW", plain.parameters())
    for t in range(3):
        x = numbers((6, 4), t)
        for each, its in ((compiled, opt), (plain, other)):
            its.zero_grad()
            each(x).square().mean().backward()
            its.step()
    assert_close(model.parameters(), plain.parameters())


@pytest.mark.parametrize("name", OURS)
def test_a_step_on_fake_tensors_makes_fake_states_and_does_not_crash(name):
    with FakeTensorMode():
        params = weights()
        opt = ours(name, params)
        for t in range(2):
            give_gradients(params, t)
            opt.step()
        states = [value for held in opt.state.values() for value in held.values()]
    assert all(isinstance(value, FakeTensor) for value in states if isinstance(value, torch.Tensor))
    assert bool(states) is bool(opt.chain.slots or opt.chain.cells)


def test_fake_parameters_swapped_in_after_real_steps_do_not_crash():
    params = weights()
    opt = ours("AdamW", params)
    walk(opt, 2)
    before = values(params)
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    fake = [mode.from_tensor(p) for p in params]
    for p in fake:
        p.grad = torch.zeros_like(p)
    opt.param_groups[0]["params"] = fake
    opt.step()
    opt.param_groups[0]["params"] = params
    assert_same(params, before)


def test_a_traced_step_is_one_operator_that_runs_on_other_tensors():
    p = Parameter(numbers((3, 4), 0))
    opt = ours("AdamW", [p])
    walk(opt, 2)
    held = opt.state[p]
    start = [p.detach().clone(), *(held[key].clone() for key in held)]

    def step(grad):
        p.grad = grad
        opt.step()

    graph = make_fx(step)(numbers((3, 4), 5))
    calls = [node for node in graph.graph.nodes if node.target is torch.ops.thalweg.step.default]
    assert len(calls) == 1
    after = [p.detach().clone(), *(held[key].clone() for key in held)]
    twin = Parameter(start[0].clone())
    other = ours("AdamW", [twin])
    other.state[twin] = dict(zip(held, (t.clone() for t in start[1:]), strict=True))
    twin.grad = numbers((3, 4), 5)
    other.step()
    assert_same(after, [twin, *other.state[twin].values()])


def test_a_graph_outlives_its_optimizer_with_a_sentence():
    p = Parameter(torch.ones(2))
    opt = ours("SGD", [p], momentum=0.0, nesterov=False, weight_decay=0.0)
    p.grad = torch.ones(2)
    number = opt._init_group(opt.param_groups[0], [], [], [])
    del opt
    gc.collect()
    with pytest.raises(RuntimeError, match="no longer exists"):
        torch.ops.thalweg.step([number], [p.detach()], [p.grad], [], [])
