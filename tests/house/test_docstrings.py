"""A rule, a stage and an optimizer is told in the same parts: name, why, equations, paper, differs.

`help()` shows them as they are, so the equations are plain text in the letters of the code.
"""

import inspect
import re

import pytest

from thalweg import optim, rules, stages
from thalweg.deciding import reached
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule
from thalweg.rules import RULES
from thalweg.stages import STAGES

DECLARED = [getattr(rules, name) for name in RULES] + [getattr(stages, name) for name in STAGES]
CLASSES = [getattr(optim, name) for name in OPTIMIZERS]


def told(thing) -> str:
    """A docstring but for its arguments, which a class says last: tests/optim/test_help.py."""
    return (inspect.getdoc(thing) or "").partition("\n\nArguments:\n")[0]


def paragraphs(thing) -> list[str]:
    doc = told(thing)
    assert doc, f"{thing.__name__} has no docstring"
    return re.split(r"\n\n", doc)


def equations(thing) -> str:
    """The indented lines of a docstring."""
    return "\n".join(re.findall(r"^ {4}.*", told(thing), re.M))


def by_name(thing) -> str:
    return f"{thing.__module__.split('.')[1]}.{thing.__name__}"


@pytest.mark.parametrize("thing", [*DECLARED, *CLASSES], ids=by_name)
def test_a_docstring_has_its_parts_in_order(thing):
    name, *reason, formulas, sources = paragraphs(thing)
    assert "\n" not in name
    assert name.endswith(".")
    assert len(reason) <= 1
    assert all(line.startswith("    ") for line in formulas.splitlines())
    assert re.fullmatch(r"Paper: .+\.\nDiffers: .+\.", sources, re.S)


@pytest.mark.parametrize("thing", [*DECLARED, *CLASSES], ids=by_name)
def test_the_reason_is_told_in_four_lines(thing):
    for reason in paragraphs(thing)[1:-2]:
        assert len(reason.splitlines()) <= 4


def letters(declared) -> set[str]:
    return {*declared.declaration.states}


def missing(names: set[str], text: str) -> list[str]:
    return sorted(name for name in names if not re.search(rf"\b{re.escape(name)}\b", text))


@pytest.mark.parametrize("declared", DECLARED, ids=by_name)
def test_the_equations_name_every_state(declared):
    assert missing(letters(declared), equations(declared)) == []


def there(chain, part) -> set[str]:
    """The states that a part of an optimizer may have: some settings its constructor leaves out."""
    taken = chain.signature.shown
    fixed = {
        name: chain.settings[part.public(name)].default
        for name in part.declared.declaration.settings
        if part.public(name) not in taken
    }
    return letters(part.declared) & reached(part.declared.text, fixed)[0]


@pytest.mark.parametrize("cls", CLASSES, ids=by_name)
def test_the_equations_of_an_optimizer_name_the_states_of_its_parts(cls):
    states = set().union(*(there(cls.chain, part) for part in cls.chain.parts))
    assert missing(states, equations(cls)) == []


def outcome(thing) -> str:
    """The parameter, the gradient, or the copy that a stage keeps: what it is there for."""
    text = getattr(thing, "text", None)
    returned = text.source.returned if text else ("p", "g")
    changed = [name for name in returned if name in ("p", "g", "u")]
    if issubclass(thing, Rule):  # whose step is taken from p
        changed = ["p"]
    return "|".join(changed or returned)


@pytest.mark.parametrize("thing", [*DECLARED, *CLASSES], ids=by_name)
def test_the_equations_say_what_becomes_of_the_parameter_or_the_gradient(thing):
    assert re.search(rf"\b({outcome(thing)}) +<- ", equations(thing))


@pytest.mark.parametrize("thing", [*DECLARED, *CLASSES], ids=by_name)
def test_a_paper_is_one_that_can_be_found(thing):
    papers = re.search(r"Paper: (.*?)\nDiffers:", told(thing), re.S)
    assert papers
    assert papers[1].startswith("none.") or re.search(r"\b(19|20)\d\d\b", papers[1])


@pytest.mark.parametrize("thing", [*DECLARED, *CLASSES], ids=by_name)
def test_a_docstring_fits_a_screen(thing):
    assert max(map(len, (inspect.getdoc(thing) or "").splitlines())) <= 100
