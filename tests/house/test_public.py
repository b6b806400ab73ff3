"""What somebody who writes an engine or a border takes stands on its page, and says what it is."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from tests.house.modules import MODULES, ROOT, syntax
from tests.plain import PLAIN
from thalweg.averaging import EMA
from thalweg.border.classes import as_chain, made_class
from thalweg.fuse.engine import Engine, Launch, Sweep
from thalweg.mytorch import optim
from thalweg.mytorch.nn import Parameter
from thalweg.optimizers import OPTIMIZERS

ENGINES, BORDER = ROOT / "docs" / "engines.md", ROOT / "docs" / "border.md"
OF_FUSE = ("awaited", "device", "engine", "engines", "storage", "plan", "work", "whole", "threads")
OF_BORDER = [module for module in MODULES if module.startswith("thalweg.border.")]
PAGE_OF = {f"thalweg.fuse.{name}": ENGINES for name in OF_FUSE} | dict.fromkeys(OF_BORDER, BORDER)


def in_code(page: Path) -> set[str]:
    """The words that stand in `code` on a page."""
    spans = re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))
    return {word for span in spans for word in re.findall(r"\w+", span)}


@pytest.mark.parametrize("module", PAGE_OF)
def test_a_public_name_stands_on_its_page(module):
    names = set(importlib.import_module(module).__all__)
    assert sorted(names - in_code(PAGE_OF[module])) == []


@pytest.mark.parametrize("module", PAGE_OF)
def test_what_is_public_says_what_it_is(module):
    nodes = {node.name: node for node in syntax(MODULES[module]).body if hasattr(node, "name")}
    public = [nodes[name] for name in importlib.import_module(module).__all__ if name in nodes]
    assert [node.name for node in public if not ast.get_docstring(node)] == []


def test_all_that_an_engine_is_asked_stands_on_the_page():
    asked = {
        name
        for protocol in (Engine, Sweep, Launch)
        for name in {*vars(protocol), *inspect.get_annotations(protocol)}
        if not name.startswith("_")
    }
    assert sorted(asked - in_code(ENGINES)) == []


def hooks() -> set[str]:
    """What the border's classes leave to a border: methods that do nothing but raise."""
    return {
        node.name
        for module in OF_BORDER
        for node in ast.walk(syntax(MODULES[module]))
        if isinstance(node, ast.FunctionDef)
        and ast.unparse(node.body[-1]) == "raise NotImplementedError"
    }


def test_all_that_is_asked_of_a_border_stands_on_the_page():
    assert {"_title", "_read", "_finish"} <= hooks()
    assert sorted(hooks() - in_code(BORDER)) == []


def test_the_border_lists_its_files():
    said = re.findall(r"^ {4}(\w+\.py) ", importlib.import_module("thalweg.border").__doc__, re.M)
    files = {MODULES[module].name for module in OF_BORDER}
    assert sorted(said) == sorted(files)


@pytest.fixture(scope="module")
def page():
    """The border that the page shows, made as a reader would."""
    names: dict[str, object] = {"__name__": "a_third_border"}
    for block in re.findall(
        r"^```python\n(.*?)^```", BORDER.read_text(encoding="utf-8"), re.M | re.S
    ):
        exec(compile(block, BORDER.name, "exec"), names)
    return names


@pytest.mark.parametrize("name", PLAIN)
def test_the_border_on_the_page_steps_as_ours(page, name):
    made = made_class(as_chain(OPTIMIZERS[name]), page["WeightOptimizer"], __name__)
    random = np.random.default_rng(0)
    values = random.normal(size=(3, 4)), random.normal(size=4)
    weights = [page["Weight"](value) for value in values]
    params = [Parameter(value) for value in values]
    theirs = made(weights, average=EMA(0.9))
    ours = getattr(optim, name)(params, average=EMA(0.9))
    for _ in range(8):
        for weight, p in zip(weights, params, strict=True):
            weight.grad = random.normal(size=p.shape)
            p.grad = weight.grad.copy()
        theirs.step()
        ours.step()
    for weight, p in zip(weights, params, strict=True):
        np.testing.assert_array_equal(weight.data, p.data)
        np.testing.assert_array_equal(theirs.state[weight]["average"], ours.state[p]["average"])
