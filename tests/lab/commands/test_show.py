"""`thalweg show` tells one thing's equations, settings, states, memory and source."""

import json

import pytest

from tests.lab.commands.told import step, thalweg, widest

pytest.importorskip("typer")

from thalweg.lab.facts import facts
from thalweg.lab.listing import items, named
from thalweg.optimizers import OPTIMIZERS


def test_ranger_is_told_with_all_its_parts():
    told = thalweg("show", "ranger")
    assert told.code == 0
    for said in (
        "slow <- slow + alpha (p - slow);  p <- slow     every k steps",
        "  betas                   (0.95, 0.999)  each >= 0 and < 1",
        "also called N_sma_threshhold",
        "  slow  slow_buffer    element  the weights  by default",
        "Memory: 12 bytes of state for each float32 element",
        "Lookahead.update, in thalweg/stages/lookahead.py",
        "          slow = slow + alpha * (p - slow)",
    ):
        assert said in told.out


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_memory_is_what_the_first_step_makes(name):
    numpy = pytest.importorskip("numpy")
    from thalweg.mytorch import optim
    from thalweg.mytorch.nn import Parameter

    p = Parameter(numpy.ones((3, 4), numpy.float32))
    opt = getattr(optim, name)([p])
    step(opt, [p])
    held = [each for each in opt.state[p].values() if numpy.shape(each) == p.shape]
    assert facts(named(name)).bytes_per_element == sum(each.nbytes for each in held) // 12


@pytest.mark.parametrize("item", items(), ids=lambda item: item.name)
def test_everything_that_is_listed_is_shown(item):
    told = facts(item)
    assert told.doc
    assert told.source or told.arguments or item.name == "LBFGS"


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_its_prose_and_tables_fit_the_window(columns):
    told = thalweg("show", "adam", columns=columns)
    # equations and source stay as they are written
    prose = [line for line in told.out.splitlines() if not line.startswith("    ")]
    prose = prose[: prose.index("Decay.update, in thalweg/stages/decay.py")]
    assert widest("\n".join(prose)) <= min(columns, 100)


def test_json_says_the_same():
    told = json.loads(thalweg("show", "novograd", "--json").out)
    assert told["name"] == "NovoGrad"
    assert told["bytes_per_element"] == 4
    assert {one["name"] for one in told["settings"]} == {*OPTIMIZERS["NovoGrad"].settings}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("lamp",), "nothing is called 'lamp' (did you mean LAMB?)"),
        (("lbfgs", "--passes"), "of LBFGS: it is a class of its own"),
        (("cosine", "--passes"), "of cosine: it is in schedules"),
    ],
)
def test_what_cannot_be_shown_is_said(arguments, says):
    told = thalweg("show", *arguments)
    assert told.code == 2
    assert says in told.err
