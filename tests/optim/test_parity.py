"""One step of ours is one step of torch's, in every configuration that torch tests its own in."""

from functools import cache

import pytest
import torch

import thalweg.optim as optim
from scripts.write_parity import main
from tests.optim.parity import Parity, measure
from tests.optim.runs import NUMBERS, TWINS
from tests.optim.subjects import CLASSES, KINDS, Kind, subject

pytestmark = pytest.mark.slow

# as many as RAdam takes until it rectifies
STEPS = 6

IN_DOUBLE, WITH_SINGLE_NUMBERS, SINGLE, COMPLEX, NARROW = KINDS

# Between its operands and its result a number is rounded up to a dozen times, in torch as in ours,
# and each time moves by half a ULP at most.
FEW_ULP = 8.0
# A step of LBFGS is up to 20 iterations, and in each of them everything hangs on sums over all
# parameters. (torch's own is 10,000 ULP from the truth in float32.)
LBFGS_ULP = 1000.0


@cache
def measured(name: str, kind: Kind) -> dict[str, Parity]:
    """Every configuration of one class, by what torch calls it."""
    of = subject(name)
    if not of.takes(kind):
        pytest.skip(f"torch's {name} refuses {kind}")
    # that `foreach`, `fused` and `capturable` choose nothing is seen in double
    return measure(of if kind == IN_DOUBLE else of.without_repeats(), kind, STEPS)


def beyond(limit: float, measurements: dict[str, Parity], what: str) -> dict[str, str]:
    """The configurations in which something is further apart than that."""
    return {
        description: str(getattr(one, what))
        for description, one in measurements.items()
        if max(vars(getattr(one, what)).values()) > limit
    }


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_of_torch_has_one_of_ours(name):
    assert getattr(optim, name) is not getattr(torch.optim, name)


def limit(name: str) -> float:
    return LBFGS_ULP if subject(name).needs_closure else FEW_ULP


@pytest.mark.parametrize("kind", [IN_DOUBLE, SINGLE, COMPLEX], ids=str)
@pytest.mark.parametrize("name", CLASSES)
def test_a_step_ends_where_torchs_does_and_a_run_is_apart_by_no_more_than_its_steps(name, kind):
    """The step from torch's numbers. One test, since what takes long is to measure both."""
    found = measured(name, kind)
    too_far = [beyond(limit(name), found, "step"), beyond(STEPS * limit(name), found, "run")]
    assert too_far == [{}, {}]


@pytest.mark.parametrize("name", CLASSES)
def test_in_bfloat16_a_number_is_rounded_once(name):
    """Half a ULP from the truth; torch, which rounds after every operation, is up to 18 (Muon).

    A tenth more is for Rprop, whose first step is its setting lr rounded to bfloat16, and for the
    eta of ASGD, which is float32: a tensor lr stays one under `differentiable`.
    """
    if subject(name).needs_closure:
        pytest.skip("the loss is rounded to bfloat16 as well, and every sum in it")
    assert beyond(0.6, measured(name, NARROW), "ours") == {}


@pytest.mark.parametrize("name", [name for name in NUMBERS if name in TWINS])
def test_beside_numbers_in_float32_ours_is_no_farther_from_the_truth(name):
    """torch keeps eta, mu and mu_product in float32, and NAdam's mu is rounded on its way there."""
    for one in measured(name, WITH_SINGLE_NUMBERS).values():
        assert one.step.p <= 2**29  # one ULP of float32
        assert one.ours.p <= one.torchs.p + FEW_ULP


def test_the_page_has_every_configuration():
    assert main(["--check"]) == 0, "run scripts/write_parity.py"
