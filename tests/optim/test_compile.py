"""torch.compile breaks the graph at a step, and the step is right."""

import pytest
import torch
from torch.nn import Linear

from tests.optim.runs import OURS, assert_close, assert_same, give_gradients, numbers, ours, weights


@pytest.fixture(autouse=True)
def forget_compiled_code():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("name", OURS)
def test_a_compiled_step_is_a_step(name):
    mine, plain = weights(), weights()
    opt, other = ours(name, mine), ours(name, plain)
    step = torch.compile(opt.step, backend="eager")
    for t in range(7):
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


def test_a_whole_graph_is_refused_and_not_made_wrong():
    params = weights()
    opt = ours("Adam", params)
    give_gradients(params, 0)
    before = [p.detach().clone() for p in params]
    with pytest.raises(torch._dynamo.exc.Unsupported):
        torch.compile(opt.step, backend="eager", fullgraph=True)()
    assert_same(params, before)
