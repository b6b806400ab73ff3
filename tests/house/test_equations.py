"""The equations of a docstring are in the letters of the text below them."""

import ast
import inspect
import re
import sys

import pytest

from thalweg import rules, stages
from thalweg.rules import RULES
from thalweg.stages import STAGES

DECLARED = [getattr(rules, name) for name in RULES] + [getattr(stages, name) for name in STAGES]
# Schedule-Free's x is what its `evaluate` returns
ELSEWHERE = {"p", "x"}
NAME = r"[A-Za-z_]\w*"


def equations(declared):
    """The indented lines of a docstring."""
    lines = inspect.cleandoc(declared.__doc__ or "").splitlines()
    return "\n".join(line for line in lines if line.startswith("    "))


def names(declared):
    """Every name in the file: in the text, and in the functions that it calls."""
    tree = ast.parse(inspect.getsource(sys.modules[declared.__module__]))
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return found | {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}


@pytest.mark.parametrize("declared", DECLARED, ids=lambda one: one.__name__)
def test_every_state_stands_in_the_equations(declared):
    words = set(re.findall(NAME, equations(declared)))
    states = {name for name in declared.declaration.states if name in names(declared)}
    assert {s for s in states if s not in words and f"{s}hat" not in words} == set()


@pytest.mark.parametrize("declared", DECLARED, ids=lambda one: one.__name__)
def test_what_the_equations_give_a_value_has_one_in_the_text(declared):
    given = re.findall(rf"({NAME}(?:, {NAME})*)\s*<-", equations(declared))
    left = {name for several in given for name in several.split(", ")}
    assert left - names(declared) - ELSEWHERE == set()
