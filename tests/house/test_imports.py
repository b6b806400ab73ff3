"""Frameworks stay at the border: what importing a module brings in, and what each file names."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "thalweg"
FILES = sorted(PACKAGE.rglob("*.py"))


def loaded_by(module: str, watched: set[str]) -> set[str]:
    """Import a module in a fresh interpreter and say which watched packages came with it."""
    code = f"import {module}, sys; print(*({watched!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


BRINGS_IN_NO = {
    "thalweg": {"torch", "numba", "numpy", "matplotlib"},
    "thalweg.elementwise": {"torch", "numba", "matplotlib"},
    "thalweg.rule": {"torch", "numba", "matplotlib"},
    "thalweg.chain": {"torch", "numba", "matplotlib"},
    "thalweg.rules": {"torch", "numba", "matplotlib"},
    "thalweg.stages": {"torch", "numba", "matplotlib"},
    "thalweg.optimizers": {"torch", "numba", "matplotlib"},
    "thalweg.fuse.plan": {"torch", "numba", "matplotlib"},
    "thalweg.fuse.reference": {"torch", "numba", "matplotlib"},
    "thalweg.fuse.storage": {"torch", "numba", "matplotlib"},
    "thalweg.fuse.cpu": {"torch", "matplotlib"},
    "thalweg.averaging": {"torch", "numba", "matplotlib"},
    "thalweg.copies": {"torch", "numba", "matplotlib"},
    "thalweg.groups": {"torch", "numba", "matplotlib"},
    "thalweg.schedules": {"torch", "numba", "matplotlib"},
    "thalweg.mytorch": {"torch", "numba", "matplotlib", "sklearn"},
    "thalweg.mytorch.optim": {"torch", "numba", "matplotlib", "sklearn"},
    "thalweg.mytorch.checkpoint": {"torch", "numba", "matplotlib", "sklearn"},
    "thalweg.lab.cli": {"torch", "matplotlib"},
}


@pytest.mark.parametrize("module", BRINGS_IN_NO)
def test_importing_brings_in_no_framework(module):
    if module == "thalweg.lab.cli" and importlib.util.find_spec("typer") is None:
        pytest.skip("the lab extra is not installed")
    assert loaded_by(module, BRINGS_IN_NO[module]) == set()


def imports(path: Path) -> dict[str, int]:
    """Every module that a file imports by name, anywhere in it, with the line that does."""
    package = ("thalweg", *path.relative_to(PACKAGE).parent.parts)
    found = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join([*parents, *filter(None, [node.module])])
            # `from thalweg import rule` names a module too, and `from . import x` a sibling.
            names = [f"{source}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and is_import_call(node):
            names = [node.args[0].value]
        else:
            continue
        found.update(dict.fromkeys(names, node.lineno))
    return found


def is_import_call(node: ast.Call) -> bool:
    """`import_module("x")` or `__import__("x")`, under whatever the first is reached by."""
    called = getattr(node.func, "attr", getattr(node.func, "id", None))
    named = bool(node.args) and isinstance(node.args[0], ast.Constant)
    return named and called in {"import_module", "__import__"}


def within(name: str, modules: set[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def offences(files, refused) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files
        for name, line in imports(path).items()
        if refused(name)
    ]


@pytest.mark.parametrize(
    ("frameworks", "home"),
    [
        ({"torch"}, "optim/**/*.py"),
        ({"numba", "llvmlite"}, "fuse/cpu*.py"),
        # the lab's pictures, and that of a mytorch training, which needs no lab
        ({"matplotlib"}, "*/plots.py"),
    ],
    ids=lambda value: "+".join(sorted(value)) if isinstance(value, set) else None,
)
def test_only_its_home_names_a_framework(frameworks, home):
    elsewhere = set(FILES) - set(PACKAGE.glob(home))
    assert offences(sorted(elsewhere), lambda name: within(name, frameworks)) == []


@pytest.mark.parametrize(
    ("folder", "allowed"),
    [
        ("rules", {"thalweg.rule", "thalweg.elementwise", "thalweg.rules"}),
        ("stages", {"thalweg.rule", "thalweg.elementwise", "thalweg.stages"}),
    ],
)
def test_declarations_import_only_what_they_are_written_with(folder, allowed):
    def refused(name: str) -> bool:
        if within(name, {"thalweg"}):
            return not within(name, allowed)
        return name.partition(".")[0] not in sys.stdlib_module_names

    files = sorted((PACKAGE / folder).glob("*.py"))
    assert files, f"thalweg/{folder} has no files: the test would hold nothing"
    assert offences(files, refused) == []


def test_the_scan_sees_every_way_to_import(tmp_path, monkeypatch):
    source = """
import torch.nn as nn
from torch import Tensor
from . import sibling
from ..rule import Rule

def later():
    import numba
    importlib.import_module("matplotlib.pyplot")
"""
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "rules").mkdir()
    path = tmp_path / "rules" / "example.py"
    path.write_text(source)
    assert set(imports(path)) == {
        "torch.nn",
        "torch.Tensor",
        "thalweg.rules.sibling",
        "thalweg.rule.Rule",
        "numba",
        "matplotlib.pyplot",
    }
