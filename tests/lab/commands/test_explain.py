"""`thalweg explain` and `thalweg.explain`: the numbers are those of the step, for every rule."""

import copy
import json
import math
from itertools import pairwise

import numpy as np
import pytest

from tests.lab.commands.told import thalweg, widest

pytest.importorskip("typer")

import thalweg as whole
from thalweg.averaging import EMA
from thalweg.mytorch import checkpoint as files
from thalweg.mytorch import nn, optim
from thalweg.mytorch.nn import Parameter
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule, setting, state

STEPS = 8


# those that ask for another gradient within their step, which only a closure answers
ASKING = [name for name, chain in OPTIMIZERS.items() if chain.requests]
PLAIN = [name for name in OPTIMIZERS if name not in ASKING]


def takes(name, shape):
    try:
        OPTIMIZERS[name].choice.check(shape)
    except ValueError:
        return False
    return True


def parameters(name):
    """A matrix, and a vector where the rule takes one, and random numbers for gradients."""
    random = np.random.default_rng(0)
    shapes = [shape for shape in ((3, 4), (5,)) if takes(name, shape)]
    return [Parameter(random.normal(size=shape)) for shape in shapes], random


def every_line(lines):
    for line in lines:
        yield line
        for _, inner in line.inside:
            yield from every_line(inner)


@pytest.mark.parametrize("name", PLAIN)
def test_the_explanation_is_what_the_step_then_does(name):
    params, random = parameters(name)
    opt = getattr(optim, name)(params)
    for _ in range(STEPS):
        for p in params:
            p.grad = random.normal(size=p.shape)
        told = [whole.explain(opt, p, [-1] * p.ndim) for p in params]
        opt.step()
        for p, found in zip(params, told, strict=True):
            # the pass may contract a product and a sum, which the text as written does not, and
            # products of matrices add up in another order
            near = 1e-7 if OPTIMIZERS[name].on_matrices else 1e-12
            np.testing.assert_allclose(found.arrays["p"], p.data, rtol=near, atol=near / 10)
            assert found.after["p"] == found.arrays["p"][found.index]
            assert found.step_size == pytest.approx(found.before["p"] - found.after["p"])


@pytest.mark.parametrize("name", ["SOAP", "NorMuon"])
def test_of_a_matrix_in_blocks_the_block_is_told(name):
    params, random = [Parameter(np.ones((5, 7)))], np.random.default_rng(0)
    opt = getattr(optim, name)(params, block_size=4)
    for _ in range(4):
        params[0].grad = random.normal(size=(5, 7))
        told = whole.explain(opt, params[0], (4, 5))
        opt.step()
        assert (told.shape, told.index) == ((1, 3), (0, 1))
        assert told.after["p"] == pytest.approx(params[0].data[4, 5], rel=1e-9)


@pytest.mark.parametrize("name", ASKING)
def test_a_rule_that_asks_is_told_on_the_quadratic(name):
    steps = json.loads(thalweg("explain", name, "--step", "4", "--json").out)
    for one, next_one in pairwise(steps):
        assert one["after"]["p"] == pytest.approx(next_one["before"]["p"], rel=1e-9)
    p = Parameter(np.ones((3, 4)))
    p.grad = np.ones((3, 4))
    with pytest.raises(TypeError, match="which only its closure can answer"):
        whole.explain(getattr(optim, name)([p]), p)


@pytest.mark.parametrize("name", PLAIN)
def test_nothing_changes(name):
    params, random = parameters(name)
    opt = getattr(optim, name)(params)
    for p in params:
        p.grad = random.normal(size=p.shape)
    opt.step()
    before = copy.deepcopy(opt.state_dict()), [p.data.copy() for p in params]
    whole.explain(opt, params[0])
    after = opt.state_dict(), [p.data for p in params]
    np.testing.assert_equal(after, before)


def test_radam_tells_rho_and_which_way_it_goes():
    p = Parameter(np.array([1.0]))
    opt = optim.RAdam([p])
    ways = []
    for t in range(1, 8):
        p.grad = np.array([0.5])
        found = whole.explain(opt, p)
        (line,) = (one for part in found.parts for one in part.lines if "length(b2, t)" in one.text)
        rho_inf = 2 / (1 - 0.999) - 1
        rho = rho_inf - 2 * t * 0.999**t / (1 - 0.999**t)
        assert line.calls["length(b2, t)"] == pytest.approx(rho)
        assert line.taken == (rho > 5)
        ways.append(line.taken)
        opt.step()
    assert ways == [False] * 5 + [True] * 2


def test_lookahead_tells_what_it_pulled():
    p = Parameter(np.array([[1.0, 2.0]]))
    opt = optim.Ranger([p], lr=0.1, k=3)
    for t in range(1, 4):
        p.grad = np.array([[0.5, -1.0]])
        part = whole.explain(opt, p, (0, 1)).parts[-1]
        assert part.name == "Lookahead"
        assert bool(part.changed) == (t == 3)
        before = p.data[0, 1]
        opt.step()
    fast, pulled = part.changed["p"]
    assert pulled == p.data[0, 1] == pytest.approx((fast + 2.0) / 2)
    assert fast != before


def test_a_rule_of_ones_own_is_told_with_its_own_functions():
    def halved(x):
        half = x / 2
        return half + 0.0

    class Slow(Rule):
        """Half a step."""

        lr: float = setting(0.1)
        seen = state("seen")

        @staticmethod
        def update(g, seen, lr):
            seen = seen + g * g
            u = 0.0 * g
            if lr > 0:
                u = lr * halved(g)
            return u, seen

    p = Parameter(np.array([1.0, 2.0]))
    opt = optim.optimizer(Slow)([p])
    p.grad = np.array([4.0, -6.0])
    found = whole.explain(opt, p, 1)
    lines = list(every_line(found.parts[-1].lines))
    assert [line.text for line in lines] == [
        "seen = seen + g * g",
        "u = 0.0 * g",
        "if lr > 0",
        "u = lr * halved(g)",
        "half = x / 2",
        "return half + 0.0",
    ]
    assert lines[0].made == {"seen": 36.0}
    assert lines[3].calls == {"halved(g)": -3.0}
    assert found.after["p"] == pytest.approx(2.3)
    assert found.effective_lr == pytest.approx(0.05)


def test_reductions_are_told_by_their_results():
    p = Parameter(np.array([[3.0, 4.0]]))
    opt = optim.LAMB([p])
    p.grad = np.array([[1.0, 1.0]])
    lines = whole.explain(opt, p).parts[-1].lines
    assert lines[0].made["weight"] == 5.0
    assert lines[0].calls["norm(p)"] == 5.0


@pytest.mark.parametrize("name", ["Adam", "Ranger", "SGD", "Prodigy"])
def test_torchs_parameters_are_told_the_same(name):
    torch = pytest.importorskip("torch")
    border = pytest.importorskip("thalweg.optim")
    value, grad = np.ones((2, 3)), np.arange(6.0).reshape(2, 3)
    theirs = torch.nn.Parameter(torch.tensor(value))
    ours = Parameter(value.copy())
    opts = getattr(border, name)([theirs], lr=0.1), getattr(optim, name)([ours], lr=0.1)
    for _ in range(3):
        theirs.grad, ours.grad = torch.tensor(grad), grad.copy()
        told = [whole.explain(opt, p, (1, 2)) for opt, p in zip(opts, (theirs, ours), strict=True)]
        assert told[0].after == pytest.approx(told[1].after, rel=1e-12)
        for opt in opts:
            opt.step()


def test_torchs_own_optimizer_is_told_by_our_rule():
    torch = pytest.importorskip("torch")
    p = torch.nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))
    opt = torch.optim.AdamW([p], lr=0.1)
    for _ in range(3):
        p.grad = torch.tensor([0.3, -2.0], dtype=torch.float64)
        found = whole.explain(opt, p, 1)
        opt.step()
        assert found.after["p"] == pytest.approx(p[1].item(), rel=1e-12)


def test_what_cannot_be_told_is_said():
    p, other = Parameter(np.ones(2)), Parameter(np.ones(2))
    opt = optim.Adam([p])
    with pytest.raises(ValueError, match="has no gradient"):
        whole.explain(opt, p)
    p.grad = np.ones(2)
    with pytest.raises(ValueError, match="is none of the optimizer's"):
        whole.explain(opt, other)
    with pytest.raises(ValueError, match=r"an element in shape \(2,\), got 2"):
        whole.explain(opt, p, 2)
    with pytest.raises(TypeError, match="opt must be an optimizer that is made of a rule, got int"):
        whole.explain(3, p)


# The command.


def test_a_step_is_told_with_the_steps_before_it():
    told = thalweg("explain", "ranger", "--step", "7")
    assert told.code == 0
    for said in (
        "if length(b2, t) > n_sma_threshold: in steps 6, 7",
        "if t % k == 0: in step 6",
        "Ranger, step 7: element [0, 0] of 2 x 3",
        "      v = b2 * v + (1 - b2) * g * g",
        "    6.992 > 5: yes",
        "p goes",
    ):
        assert said in told.out


def test_another_seed_starts_elsewhere_and_the_same_one_does_not():
    one, two, again = (
        thalweg("explain", "adam", "--step", "1", "--seed", seed).out for seed in "121"
    )
    assert one == again != two


def test_numbers_are_given_as_json():
    told = json.loads(thalweg("explain", "sgd(lr=0.5)", "--step", "2", "--json").out)
    assert [one["step"] for one in told] == [None, None]  # SGD counts no steps
    assert told[1]["effective_lr"] == pytest.approx(0.5)
    assert math.isclose(told[0]["after"]["p"], told[1]["before"]["p"])


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_it_fits_its_window(columns):
    told = thalweg("explain", "ranger", "--step", "6", columns=columns)
    assert widest(told.out) <= min(columns, 100)
    assert "\x1b" not in told.out


def test_a_rule_in_a_file_is_told(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from thalweg.rule import Rule, setting\n\n\nclass Mine(Rule):\n    '''Mine.'''\n\n"
        "    lr: float = setting(0.1)\n\n    @staticmethod\n    def update(g, lr):\n"
        "        u = lr * g\n        return u\n"
    )
    told = thalweg("explain", f"{path}:Mine", "--step", "2")
    assert told.code == 0
    assert "  u = lr * g\n    = 0.1 * " in told.out


@pytest.fixture
def checkpoint(tmp_path):
    model = nn.Linear(3, 2)
    opt = optim.Adam(model, lr=0.1)
    for _ in range(2):
        for p in model.parameters():
            p.grad = np.full(p.shape, 0.5, np.float32)
        opt.step()
    path = tmp_path / "training.safetensors"
    files.save(path, model, opt)
    return path, model, opt


def test_the_next_step_of_a_checkpoint_is_told(checkpoint):
    path, model, opt = checkpoint
    arguments = ("--checkpoint", str(path), "--param", "bias", "--element", "1", "--json")
    (found,) = json.loads(thalweg("explain", *arguments, "--grad", "0.5").out)
    assert found["step"] == 3
    assert found["before"]["m"] == pytest.approx(float(opt.state[model.bias]["exp_avg"][1]))
    (mean,) = json.loads(thalweg("explain", *arguments).out)
    assert mean["before"]["g"] == found["before"]["m"]
    told = thalweg("explain", *arguments[:-1])
    assert "The gradient is the mean that the file has of it." in told.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name an optimizer, such as ranger, or give --checkpoint FILE"),
        (("adamm",), "no optimizer is called 'adamm' (did you mean Adam?)"),
        (("lbfgs",), "LBFGS is not written as a rule"),
        (("adam(lr=1e-4..1e-1)",), "a range is for a search; give one value"),
        (("adam", "--element", "5,5"), "--element must be that of an element in shape (2, 3)"),
        (("adam", "--element", "x"), "--element must be whole numbers with commas"),
        (("adam", "--param", "bias"), "--param and --grad are for a --checkpoint"),
        (("--checkpoint", "nowhere"), "--checkpoint: there must be a file at nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_request_is_answered(arguments, says):
    told = thalweg("explain", *arguments)
    assert told.code == 2
    assert says in told.err


def test_a_file_of_torch_is_told_with_the_optimizers_name(tmp_path):
    torch = pytest.importorskip("torch")
    norm = torch.nn.BatchNorm1d(2)  # whose buffers lie among the weights
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), norm)
    opt = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(2):
        for p in model.parameters():
            p.grad = torch.full_like(p, 0.5)
        opt.step()
    path = tmp_path / "training.pt"
    torch.save({"model": model.state_dict(), "epoch": 3, "optim": opt.state_dict()}, path)
    flags = ("--checkpoint", str(path), "--param", "0.weight", "--element", "1,2", "--grad", "0.25")
    (told,) = json.loads(thalweg("explain", "adamw", *flags, "--json").out)
    model[0].weight.grad[1, 2] = 0.25
    found = whole.explain(opt, model[0].weight, (1, 2))
    assert told["step"] == 3
    assert told["after"] == pytest.approx(found.after)
    unnamed = thalweg("explain", *flags)
    assert (unnamed.code, "name OPTIMIZER too" in unnamed.err) == (2, True)
    other = thalweg("explain", "adamw", "--checkpoint", __file__, "--param", "x")
    assert (other.code, "torch cannot read it" in other.err) == (2, True)


def test_a_parameter_that_the_checkpoint_lacks_is_said(checkpoint):
    path, *_ = checkpoint
    told = thalweg("explain", "--checkpoint", str(path), "--param", "biass")
    assert (told.code, "did you mean bias?" in told.err) == (2, True)
    told = thalweg("explain", "--checkpoint", str(path))
    assert "--param must say which parameter: weight, bias" in told.err


def test_averages_and_weights_that_are_spared_are_told():
    params = [Parameter(np.ones(3)), Parameter(np.ones((2, 2)))]
    settings = {"decay_filter": "no_bias_norm", "weight_decay": 0.5, "lr": 0.1}
    opt = optim.AdamW(params, average=EMA(0.9), **settings)
    for _ in range(3):
        for p in params:
            p.grad = np.ones(p.shape)
        told = [whole.explain(opt, p) for p in params]
        opt.step()
        for found, p in zip(told, params, strict=True):
            np.testing.assert_allclose(found.arrays["p"], p.data, rtol=1e-12)
    assert told[0].after["p"] > told[1].after["p"]  # only the matrix has decayed
    assert [part.name for part in told[0].parts][-1] == "ExponentialAverage"


def test_rows_without_a_gradient_rest():
    torch = pytest.importorskip("torch")
    border = pytest.importorskip("thalweg.optim")
    embedding = torch.nn.Embedding(5, 2, sparse=True)
    embedding(torch.tensor([1, 3])).sum().backward()
    opt = border.SparseAdam(embedding.parameters(), lr=0.1)
    moved, rested = (whole.explain(opt, embedding.weight, (row, 0)) for row in (1, 0))
    opt.step()
    assert moved.after["p"] == pytest.approx(embedding.weight[1, 0].item(), rel=1e-6, abs=1e-7)
    assert rested.step_size == 0


def test_a_complex_parameter_is_refused():
    torch = pytest.importorskip("torch")
    p = torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))
    p.grad = torch.ones_like(p)
    opt = torch.optim.Adam([p])
    with pytest.raises(ValueError, match="a complex parameter has no one number to tell"):
        whole.explain(opt, p)
