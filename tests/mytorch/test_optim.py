"""The optimizers compute what torch's compute, and learn with nothing but NumPy."""

import inspect
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cases import at_torch
from tests.mytorch.agreement import needs_torch
from tests.mytorch.steps import EVERY, TWINS, assert_same, make, numbers, values, walk, weights
from tests.plain import PLAIN
from thalweg.fuse import threads
from thalweg.fuse.cpu import sweep
from thalweg.mytorch import Tensor, manual_seed, nn, optim
from thalweg.optimizers import OPTIMIZERS

ROOT = Path(__file__).parents[2]

# Gradients that differ in the last bit of a double, over a hundred steps.
TOLERANCE = {np.float64: {"rtol": 1e-10, "atol": 1e-10}, np.float32: {"rtol": 2e-3, "atol": 2e-4}}
STEPS = 100


def perceptron(of):
    """The same network of either library."""
    return of.Sequential(of.Linear(6, 5), of.Tanh(), of.LayerNorm(5), of.Linear(5, 3))


def convolutional(of):
    return of.Sequential(
        of.Conv2d(1, 4, 3, padding=1, groups=1),
        of.BatchNorm2d(4),
        of.GELU(),
        of.AvgPool2d(2),
        of.Conv2d(4, 6, 2, groups=2, bias=False),
        of.Flatten(),
        of.Linear(6, 3),
    )


def recommender(of):
    """Layers that the first Mytorch's optimizers did not find."""

    class Own(of.Module):
        def __init__(self):
            super().__init__()
            self.table = of.Embedding(7, 4)
            self.norm = of.BatchNorm1d(4)
            rows = numbers((4, 3), 5, np.float32)
            self.own = of.Parameter(rows if of is nn else as_tensor(rows))

        def forward(self, x):
            return self.norm(self.table(x)) @ self.own

    return Own()


def as_tensor(array):
    import torch

    return torch.from_numpy(np.array(array))


INPUTS = {
    perceptron: lambda t: numbers((8, 6), t),
    convolutional: lambda t: numbers((5, 1, 4, 4), t),
    recommender: lambda t: np.random.default_rng(t).integers(0, 6, 9),  # never the last row
}


def pair(build, dtype):
    """A network of mytorch and one of torch with the same weights."""
    import torch

    manual_seed(0)
    ours, theirs = build(nn).to(dtype), build(torch.nn)
    theirs.to(torch.float64 if dtype is np.float64 else torch.float32)
    theirs.load_state_dict({k: as_tensor(v) for k, v in ours.state_dict().items()})
    return ours, theirs


def train(network, opt, build, dtype, loss_of, tensor=lambda x: x, steps=STEPS) -> list[float]:
    """Some steps down the cross-entropy of small batches; gives the losses."""
    way = -1 if opt.defaults.get("maximize") else 1
    losses = []
    for t in range(steps):
        x = INPUTS[build](t)
        labels = np.random.default_rng(1000 + t).integers(0, 3, len(x))
        opt.zero_grad()
        inputs = x.astype(dtype) if x.dtype.kind == "f" else x
        loss = loss_of(network(tensor(inputs)), tensor(labels))
        (way * loss).backward()
        opt.step()
        losses.append(loss.item())
    return losses


@pytest.fixture
def _alone():
    """torch wakes all of its threads to multiply two small matrices, and they spin."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def _in_double(_alone):
    """torch keeps some numbers of NAdam and ASGD in the default type, whatever the parameters'."""
    import torch

    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def assert_trains_as(opt_of, build, dtype, name, settings, steps=STEPS):
    """The same weights, buffers and losses as with an optimizer class of torch's kind."""
    import torch

    ours, theirs = pair(build, dtype)
    mine = getattr(optim, name)(ours, **settings)
    losses = train(ours, mine, build, dtype, nn.CrossEntropyLoss(), steps=steps)
    other = getattr(opt_of, name)(theirs.parameters(), **settings)
    wanted = train(theirs, other, build, dtype, torch.nn.CrossEntropyLoss(), as_tensor, steps)
    assert len(set(losses)) == len(losses)
    np.testing.assert_allclose(losses, wanted, **TOLERANCE[dtype])
    for name, array in ours.state_dict().items():
        np.testing.assert_allclose(
            array, theirs.state_dict()[name].numpy(), **TOLERANCE[dtype], err_msg=name
        )
    return mine, other


OTHERS = {
    *("LBFGS", "Optimizer", "Scheduler"),
    *("create", "lr_scheduler", "matrix_groups", "names", "optimizer"),
}


def test_every_optimizer_is_here():
    assert set(EVERY) == {*PLAIN, "AdaGrad"}
    made = {*OPTIMIZERS, "AdaGrad"}
    assert made | OTHERS == set(optim.__all__)


@needs_torch
@pytest.mark.usefixtures("_in_double")
@pytest.mark.parametrize("case", at_torch(), ids=str)
def test_a_hundred_steps_are_torchs(case):
    import torch

    assert_trains_as(torch.optim, perceptron, np.float64, case.name, case.settings)


@needs_torch
@pytest.mark.usefixtures("_in_double")
@pytest.mark.parametrize("name", PLAIN)
def test_the_states_are_those_of_thalweg_on_torch(name):
    """What one border saves, the other has, under the same keys."""
    import thalweg.optim

    mine, other = assert_trains_as(thalweg.optim, perceptron, np.float64, name, EVERY[name], 20)
    ours, theirs = mine.state_dict()["state"], other.state_dict()["state"]
    assert ours.keys() == theirs.keys()
    for number, held in ours.items():
        assert held.keys() == theirs[number].keys()
        for key, value in held.items():
            np.testing.assert_allclose(
                value, np.asarray(theirs[number][key]), rtol=1e-9, atol=1e-10, err_msg=key
            )


@needs_torch
@pytest.mark.usefixtures("_in_double")
@pytest.mark.parametrize("build", [convolutional, recommender])
@pytest.mark.parametrize("name", ["SGD", "AdamW"])
def test_any_module_with_parameters_is_trained(name, build):
    import torch

    settings = {"lr": 0.05} if name == "SGD" else {}
    assert_trains_as(torch.optim, build, np.float64, name, settings)


@needs_torch
@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "NAdam", "Adagrad"])
def test_single_precision_is_close(name):
    """Ten steps: over a hundred, any two orders of the same sums drift apart."""
    import torch

    assert_trains_as(torch.optim, perceptron, np.float32, name, {"lr": 1e-3}, steps=10)


@needs_torch
@pytest.mark.parametrize("name", EVERY)
def test_what_is_no_number_spreads_as_in_torch(name):
    """One NaN, one infinity and one zero among the gradients."""
    import torch

    import thalweg.optim

    name_there = "Adagrad" if name == "AdaGrad" else name
    settings = {"eps": 1e-8} if name == "AdaGrad" else {}
    there = torch.optim if name_there in TWINS else thalweg.optim
    p = weights([(2, 3)])[0]
    q = torch.nn.Parameter(as_tensor(p.data))
    mine = make(name, [p])
    theirs = getattr(there, name_there)([q], **{**EVERY[name], **settings})
    for t in range(4):
        grad = numbers((2, 3), t)
        if t == 1:
            grad[0] = [math.nan, math.inf, 0.0]
        p.grad, q.grad = grad, as_tensor(grad)
        mine.step()
        theirs.step()
    np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-6)
    # Rprop looks at signs alone
    assert np.isnan(p.data[0]).any() == (name != "Rprop")
    # a number for the whole tensor may take it to all of it
    assert np.isfinite(p.data[1]).all() or mine.chain.reductions


# The document's own signatures.


def by_hand(update, steps: int) -> np.ndarray:
    """A parameter that starts at [1, -2] and gets the gradient [0.5, t] at step t."""
    p = np.array([1.0, -2.0])
    for t in range(1, steps + 1):
        update(p, np.array([0.5, t]), t)
    return p


def stepped(opt_of, steps: int) -> np.ndarray:
    module = nn.Linear(1, 1, bias=False)
    module.weight = p = nn.Parameter(np.array([1.0, -2.0]))
    opt = opt_of(module)
    for t in range(1, steps + 1):
        p.grad = np.array([0.5, t])
        opt.step()
    return p.data


def test_sgd_as_the_document_spells_it():
    def update(p, g, t):
        p -= 1e-3 * g

    found = stepped(lambda module: optim.SGD(module, lr=1e-3, lr_decay=0), 5)
    np.testing.assert_allclose(found, by_hand(update, 5), rtol=1e-14)


def test_lr_decay_takes_its_share_every_hundred_steps_and_not_of_what_is_left():
    def update(p, g, t):
        p -= 1e-3 * (1 - 0.25) ** math.floor(t / 100) * g

    found = stepped(lambda module: optim.SGD(module, lr=1e-3, lr_decay=0.25), 350)
    np.testing.assert_allclose(found, by_hand(update, 350), rtol=1e-12)


def test_adagrad_as_the_document_spells_it():
    total = np.zeros(2)

    def update(p, g, t):
        total[:] += g * g
        p -= 1e-2 * g / (np.sqrt(total) + 1e-8)

    found = stepped(lambda module: optim.AdaGrad(module, lr=1e-2, eps=1e-8), 50)
    np.testing.assert_allclose(found, by_hand(update, 50), rtol=1e-12)
    assert optim.AdaGrad(nn.Linear(1, 1)).defaults["eps"] == 1e-8
    assert optim.Adagrad(nn.Linear(1, 1)).defaults["eps"] == 1e-10


def test_adam_as_the_document_spells_it():
    m, v = np.zeros(2), np.zeros(2)

    def update(p, g, t):
        m[:] = 0.9 * m + 0.1 * g
        v[:] = 0.99 * v + 0.01 * g * g
        p -= 1e-2 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)

    found = stepped(lambda module: optim.Adam(module, beta1=0.9, beta2=0.99, lr=1e-2, eps=1e-8), 50)
    np.testing.assert_allclose(found, by_hand(update, 50), rtol=1e-12)


def test_one_beta_leaves_the_other_as_it_is():
    assert optim.Adam(nn.Linear(1, 1), beta2=0.99).defaults["betas"] == (0.9, 0.99)
    assert optim.Adam(nn.Linear(1, 1), beta1=0.5).defaults["betas"] == (0.5, 0.999)
    assert optim.Adam(nn.Linear(1, 1)).defaults["betas"] == (0.9, 0.999)


@pytest.mark.parametrize(
    ("attempt", "sentence"),
    [
        (lambda p: optim.SGD(p, 1e-3, 0.01), "write momentum=0.01 or lr_decay=0.01"),
        (lambda p: optim.SGD(p, 0.1, 0.9, 0.1), "the second number is momentum, as in torch"),
        (lambda p: optim.Adam(p, 0.9), "write lr=0.9 or beta1=0.9"),
        (lambda p: optim.Adam(p, 0.9, (0.9, 0.99)), "the first number is lr, as in torch"),
    ],
)
def test_a_number_that_meant_something_else_in_the_document_warns(attempt, sentence):
    with pytest.warns(UserWarning, match=sentence) as caught:
        attempt(nn.Linear(1, 1))
    assert caught[0].filename == __file__


def test_two_betas_as_the_document_has_them_are_refused_with_the_way_to_write_them():
    with pytest.raises(TypeError, match=r"2 numbers, got 0.99; .* write beta1=0.9, beta2=0.99"):
        optim.Adam(nn.Linear(1, 1), 0.9, 0.99)


def test_what_means_the_same_in_both_does_not_warn():
    model = nn.Linear(1, 1)
    assert optim.SGD(model, 1e-3).defaults["lr"] == 1e-3
    assert optim.SGD(model, lr=1e-3, momentum=0.01).defaults["momentum"] == 0.01
    assert optim.AdaGrad(model, 0.1, 1e-4).defaults["eps"] == 1e-4
    assert optim.Adam(model, 0.01, (0.9, 0.99)).defaults["lr"] == 0.01
    assert optim.Adam(model, lr=0.9).defaults["lr"] == 0.9


@pytest.mark.parametrize("name", ["SGD", "AdaGrad", "Adam"])
def test_help_says_what_differs_from_the_document_ahead_of_the_arguments(name):
    paper, last = inspect.getdoc(getattr(optim, name)).split("\n\n")[-2].split("\nDiffers: ")
    assert paper.startswith("Paper: ")
    assert "\nFrom the first Mytorch: " in last
    assert max(map(len, last.splitlines())) <= 100


# Threads, and what a step brings in.


def test_a_step_takes_the_threads_of_the_environment(monkeypatch):
    asked = []
    monkeypatch.setattr(sweep, "run", lambda *given: asked.append(given[-1]))
    monkeypatch.setattr(threads, "available", lambda: 7)
    walk(optim.SGD([nn.Parameter(np.ones(3))]))
    monkeypatch.undo()
    assert asked == [7]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert threads.available() == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads.available() >= 1


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    found = []
    for count in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", count)
        params = weights([(1 << 10, 1 << 10)], np.float32)
        walk(optim.AdamW(params), 2)
        found.append(values(params))
    assert_same(*found)


CODE = """
import sys
import numpy as np
from thalweg.mytorch import nn, optim
network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
before = network.state_dict()["0.weight"]
opt = optim.AdamW(network)
for _ in range(2):
    opt.zero_grad()
    nn.CrossEntropyLoss()(network(np.ones((5, 3), np.float32)), np.zeros(5, int)).backward()
    opt.step()
assert (network.state_dict()["0.weight"] != before).any()
print(*sorted({"torch", "llvmlite", "numpy", "sklearn", "matplotlib"} & set(sys.modules)))
"""


def test_a_step_brings_in_numpy_alone_once_its_kernel_is_compiled():
    for _ in range(2):  # the first one may have to compile
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", CODE], capture_output=True, text=True, cwd=ROOT
        )
        assert run.stderr == ""
        assert "torch" not in run.stdout
    assert run.stdout == "numpy\n"


def test_a_loss_goes_down_under_every_optimizer():
    x, target = numbers((20, 6), 1), numbers((20, 3), 2)
    for name in EVERY:
        manual_seed(0)
        network = perceptron(nn).double()
        opt = getattr(optim, name)(network)
        losses = []
        for _ in range(30):
            opt.zero_grad()
            loss = nn.MSELoss()(network(Tensor(x)), target)
            loss.backward()
            opt.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0], name
