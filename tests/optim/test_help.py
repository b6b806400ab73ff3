"""`help` explains every argument of every class, at both borders."""

import inspect
import re
from typing import ClassVar

import pytest

from thalweg import optim
from thalweg.border.help import explained
from thalweg.chain import chain
from thalweg.either import either
from thalweg.meanings import meaning
from thalweg.mytorch import optim as of_numpy
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule, setting
from thalweg.rules import Adam, Muon

CLASSES = [getattr(home, name) for home in (optim, of_numpy) for name in OPTIMIZERS]
CLASSES.append(of_numpy.AdaGrad)


def by_place(cls) -> str:
    return f"{cls.__module__}.{cls.__name__}"


def arguments(cls) -> dict[str, str]:
    """What a docstring says of each argument."""
    said = inspect.getdoc(cls).partition("\n\nArguments:\n")[2]
    found = re.findall(r"^ {4}(\w+)(?: \(.*?\))?: (.*(?:\n {8}.*)*)", said, re.M)
    return {name: re.sub(r"\s+", " ", line) for name, line in found}


@pytest.mark.parametrize("cls", CLASSES, ids=by_place)
def test_every_argument_is_explained_in_the_order_of_the_signature(cls):
    said = arguments(cls)
    assert list(said) == list(inspect.signature(cls).parameters)
    assert [name for name, line in said.items() if not re.match(r"\D{3}", line)] == []


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_setting_has_a_meaning_and_not_its_range_alone(name):
    made = OPTIMIZERS[name]
    limits = {made.settings[n].accepted for n in made.signature.shown}
    said = explained(made, {})
    assert [n for n, line in said.items() if not line or line in limits] == []


def test_the_default_and_the_range_stand_beside_the_meaning():
    lines = inspect.getdoc(optim.Lion).splitlines()
    assert "    lr (0.0001): learning rate: what a step is multiplied by; >= 0" in lines


def test_what_a_stage_takes_is_explained_under_the_name_that_it_has_in_the_chain():
    assert arguments(optim.Ranger)["use_gc"] == meaning("Centralize", "use")


def test_the_settings_of_the_other_tensors_say_whose_they_are():
    made = chain("MuonAdam", either(Muon, Adam))
    assert explained(made, {})["others_lr"].startswith("of what the matrix rule does not take: ")


def test_a_rule_of_ones_own_says_what_its_settings_mean():
    class Slide(Rule):
        """Slides."""

        meanings: ClassVar = {"slope": "how steep it is"}
        lr: float = setting(0.1, low=0)
        slope: float = setting(1.0, above=0)
        width: float = 2.0

        @staticmethod
        def update(g, lr, slope, width):
            u = lr * slope * width * g
            return u

    said = arguments(optim.optimizer(Slide))
    assert said["slope"] == "how steep it is; > 0"
    assert said["lr"].startswith("learning rate")
    assert said["width"] == "a number"
