"""Scripts in the shape of well-known ones lose what they lose under torch."""

import itertools

import pytest
import torch

pytest.importorskip("sklearn")
pytest.importorskip("rich")

import thalweg.optim
from scripts.public import SCRIPTS
from scripts.public_scripts import Run, agreement, compared

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def alone():
    """The scripts seed torch, as scripts do."""
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)
    torch.set_default_dtype(torch.float32)


def lost(name, optim, iterations=6):
    return list(itertools.islice(SCRIPTS[name](optim), iterations))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_loses_in_double_what_it_loses_under_torch(name):
    torch.set_default_dtype(torch.float64)
    ours, theirs = lost(name, thalweg.optim), lost(name, torch.optim)
    assert theirs[0] != theirs[-1]
    # a line search multiplies what is rounded in another order
    within = 1e-6 if name == "style_transfer" else 1e-11
    torch.testing.assert_close(torch.tensor(ours), torch.tensor(theirs), rtol=within, atol=0.0)


def test_runs_in_turns_have_random_numbers_of_their_own():
    runs = [Run(SCRIPTS["digits_vae"], torch.optim) for _ in range(2)]
    for run in runs * 3:
        run.go_on()
    assert runs[0].losses == runs[1].losses == lost("digits_vae", torch.optim, 3)


def test_a_comparison_says_what_was_compared():
    found = compared(SCRIPTS["graph_network"], 4)
    assert found.optimizers == "Adam"
    assert found.iterations == 4
    assert found.with_torch.digits > 4
    assert found.torch_nudged.first is not None


def test_losses_that_agree_and_losses_that_do_not():
    assert agreement([1.0, 2.0], [1.0, 2.0]).first is None
    found = agreement([1.0, 2.002], [1.0, 2.0])
    assert (found.first, found.ours, found.theirs) == (1, 2.002, 2.0)
    assert found.digits == pytest.approx(3.0)
