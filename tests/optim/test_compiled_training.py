"""A whole training step under torch.compile: forward, backward and step in one function.

torch's compiler does not follow `backward()`, so there is no one graph for the three, with any
optimizer; where it ends its graphs with a class of torch's it ends them with ours, and no oftener.
"""

import pytest
import torch
from torch._dynamo.testing import CompileCounter
from torch._dynamo.utils import counters
from torch.nn import Linear, Parameter, Sequential, Tanh

import thalweg.optim as optim
from tests.optim.runs import OURS, numbers, ours
from tests.optim.shards import MATRIX_RULES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning"),
]

BOTH = [name for name in (*OURS, "Adafactor", "Muon") if hasattr(torch.optim, name)]


@pytest.fixture(autouse=True)
def forget_compiled_code():
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()
    counters.clear()


def network():
    model = Sequential(Linear(4, 5, bias=False), Tanh(), Linear(5, 3, bias=False)).double()
    with torch.no_grad():
        for seed, p in enumerate(model.parameters()):
            p.copy_(numbers(p.shape, seed))
    return model


def made(name, params):
    if name in OURS:
        return ours(name, params)
    return getattr(optim, name)(params, **MATRIX_RULES.get(name, {}))


def iteration(model, opt, x):
    opt.zero_grad()
    loss = model(x).square().mean()
    loss.backward()
    opt.step()
    return loss.detach()


@pytest.mark.parametrize("name", [*OURS, *MATRIX_RULES, "Adafactor"])
def test_a_compiled_iteration_is_an_iteration(name):
    mine, plain = network(), network()
    opt, other = made(name, mine.parameters()), made(name, plain.parameters())
    compiled = torch.compile(iteration, backend="eager")
    for t in range(4):
        x = numbers((6, 4), t)
        assert torch.equal(compiled(mine, opt, x), iteration(plain, other, x))
    for p, q in zip(mine.parameters(), plain.parameters(), strict=True):
        assert torch.equal(p, q)


def graphs_of(opt, model):
    """How many graphs an iteration is, and how often one ends early."""
    torch._dynamo.reset()
    counters.clear()
    counter = CompileCounter()
    compiled = torch.compile(lambda x: iteration(model, opt, x), backend=counter)
    for t in range(4):
        compiled(numbers((6, 4), t))
    return counter.frame_count, sum(counters["graph_break"].values())


@pytest.mark.parametrize("name", BOTH)
def test_it_breaks_into_no_more_graphs_than_with_torch(name):
    found = []
    for library in (optim, torch.optim):
        model = network()
        found.append(graphs_of(getattr(library, name)(model.parameters(), lr=0.01), model))
    (graphs, breaks), (torchs, torchs_breaks) = found
    assert graphs <= torchs
    assert breaks <= torchs_breaks


def test_a_step_of_lbfgs_runs_beside_the_graphs_as_torch_has_it():
    found = []
    for library in (optim, torch.optim):
        torch._dynamo.reset()
        counters.clear()
        model = network()
        opt = library.LBFGS(model.parameters(), max_iter=4)

        def closure(opt=opt, model=model):
            opt.zero_grad()
            loss = model(numbers((6, 4), 0)).square().mean()
            loss.backward()
            return loss

        losses = [float(torch.compile(opt.step, backend="eager")(closure)) for _ in range(3)]
        found.append((losses, sum(counters["graph_break"].values())))
    (ours_, breaks), (theirs, torchs_breaks) = found
    assert ours_ == pytest.approx(theirs, rel=1e-9)
    assert breaks <= torchs_breaks


def test_hooks_run_once_around_a_compiled_iteration():
    model, seen = network(), []
    opt = optim.AdamW(model.parameters())
    opt.register_step_pre_hook(lambda *_: seen.append("before"))
    opt.register_step_post_hook(lambda *_: seen.append("after"))
    compiled = torch.compile(iteration, backend="eager")
    for t in range(2):
        compiled(model, opt, numbers((6, 4), t))
    assert seen == ["before", "after"] * 2


@pytest.mark.parametrize("name", ["AdamW", "Lion", "Ranger", "SGD"])
def test_gradients_of_a_functional_model_are_stepped(name):
    """torch.func makes gradients without `backward()`; whoever steps puts them into `grad`."""
    mine, plain = network(), network()
    opt, other = ours(name, mine.parameters()), ours(name, plain.parameters())

    def loss(params, x):
        return torch.func.functional_call(mine, params, (x,)).square().mean()

    for t in range(5):
        x = numbers((6, 4), t)
        grads = torch.func.grad(loss)({k: p.detach() for k, p in mine.named_parameters()}, x)
        for key, p in mine.named_parameters():
            p.grad = grads[key]
        opt.step()
        iteration(plain, other, x)
    for p, q in zip(mine.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "RAdam", "SGD"])
def test_capturable_on_a_cpu_does_what_it_does_in_torch(name):
    """torch takes it for those that know it and refuses it in the step of some forms."""

    def told(library):
        p = Parameter(torch.ones(3))
        try:
            opt = getattr(library, name)([p], lr=0.1, capturable=True)
        except TypeError:
            return TypeError, None
        p.grad = torch.ones(3)
        try:
            opt.step()
        except (AssertionError, RuntimeError) as error:
            return type(error), None
        return None, p.detach()

    (mine, moved), (theirs, torchs) = told(optim), told(torch.optim)
    assert mine == theirs
    if theirs is None:
        torch.testing.assert_close(moved, torchs)
