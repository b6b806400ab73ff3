"""The reference run in float64 is torch.optim, step by step, for every flag torch has."""

import numpy as np
import pytest

from tests.cases import at_torch
from tests.fuse.border import Border

torch = pytest.importorskip("torch")

SHAPES = [(4, 3), (5,), (), (2, 3, 3, 3)]
STEPS = 200

# Both compute in double and round at every step, in another order: 200 steps of 1e-16 each, with
# room. Where a moving average passes through zero its own size says nothing about the rounding it
# has seen, so there the largest element of the array stands in for it.
RELATIVE = 1e-12


def close(ours, theirs):
    floor = RELATIVE * np.abs(theirs).max()
    np.testing.assert_allclose(ours, theirs, rtol=RELATIVE, atol=floor)


def gradients(rng):
    """Gradients over six orders of magnitude, as a training run has them."""
    return [10 ** rng.uniform(-3, 3) * rng.standard_normal(shape) for shape in SHAPES]


def one_by_one(one, values):
    """torch's class in its plain loop form, which is what its formulas are checked in."""
    params = [torch.tensor(value, requires_grad=True) for value in values]
    made = getattr(torch.optim, one.torch)
    return params, made(params, foreach=False, **one.settings)


@pytest.fixture
def numbers_in_double():
    """torch keeps the numbers of a parameter (step, eta, mu_product) in the default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("one", at_torch(), ids=str)
def test_the_oracle_is_torch(one):
    rng = np.random.default_rng(7)
    values = [rng.standard_normal(shape) for shape in SHAPES]
    border = Border(one.chain, (one.settings, values), oracle=True)
    params, opt = one_by_one(one, values)
    for _ in range(STEPS):
        grads = gradients(rng)
        border.step(grads)
        for p, grad in zip(params, grads, strict=True):
            p.grad = torch.tensor(grad)
        opt.step()

    for number, p in enumerate(params):
        close(border.params[number], p.detach().numpy())
        theirs = opt.state[p]
        for slot in border.chain.live_slots(border.chain.views(border.groups[0])):
            close(border.state(slot.key, number), theirs[slot.key].numpy())
        for key in border.chain.cells:
            assert border.tensors[number].cells[key] == pytest.approx(theirs[key].item(), 1e-12)


@pytest.mark.parametrize("one", at_torch(), ids=str)
def test_the_defaults_are_torch_s(one):
    theirs = getattr(torch.optim, one.torch)([torch.zeros(1, requires_grad=True)]).defaults
    shared = one.chain.defaults.keys() & theirs.keys()
    assert {name: one.chain.defaults[name] for name in shared} == {n: theirs[n] for n in shared}
    assert one.chain.defaults.keys() <= theirs.keys()
