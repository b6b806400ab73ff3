"""Frameworks stay at the border: what importing a module brings in, and what each file names."""

import importlib.util
import subprocess
import sys

import pytest

from tests.house.modules import MODULES, PACKAGE, ROOT, imports, within


def loaded_by(module: str, watched: set[str]) -> set[str]:
    """Import a module in a fresh interpreter and say which watched packages came with it."""
    code = f"import {module}, sys; print(*({watched!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


BRINGS_IN_NO = {
    "thalweg": {"torch", "llvmlite", "numpy", "matplotlib"},
    "thalweg.elementwise": {"torch", "llvmlite", "matplotlib"},
    "thalweg.rule": {"torch", "llvmlite", "matplotlib"},
    "thalweg.chain": {"torch", "llvmlite", "matplotlib"},
    "thalweg.rules": {"torch", "llvmlite", "matplotlib"},
    "thalweg.stages": {"torch", "llvmlite", "matplotlib"},
    "thalweg.composites": {"torch", "llvmlite", "matplotlib"},
    "thalweg.optimizers": {"torch", "llvmlite", "matplotlib"},
    "thalweg.fuse.plan": {"torch", "llvmlite", "matplotlib"},
    "thalweg.fuse.reference": {"torch", "llvmlite", "matplotlib"},
    "thalweg.fuse.storage": {"torch", "llvmlite", "matplotlib"},
    "thalweg.fuse.cpu.engine": {"torch", "llvmlite", "matplotlib"},
    "thalweg.optim": {"llvmlite", "thalweg.fuse.cpu", "matplotlib"},
    "thalweg.averaging": {"torch", "llvmlite", "matplotlib"},
    "thalweg.border.copies": {"torch", "llvmlite", "matplotlib"},
    "thalweg.border.groups": {"torch", "llvmlite", "matplotlib"},
    "thalweg.schedules": {"torch", "llvmlite", "matplotlib"},
    "thalweg.mytorch": {"torch", "llvmlite", "matplotlib", "sklearn"},
    "thalweg.mytorch.optim": {"torch", "llvmlite", "matplotlib", "sklearn"},
    "thalweg.mytorch.checkpoint": {"torch", "llvmlite", "matplotlib", "sklearn"},
    "thalweg.lab.cli": {"torch", "matplotlib"},
}


@pytest.mark.parametrize("module", BRINGS_IN_NO)
def test_importing_brings_in_no_framework(module):
    if module == "thalweg.lab.cli" and importlib.util.find_spec("typer") is None:
        pytest.skip("the lab extra is not installed")
    assert loaded_by(module, BRINGS_IN_NO[module]) == set()


@pytest.mark.parametrize("collects", [True, False])
def test_the_collector_is_after_the_import_of_the_torch_border_as_it_was(collects):
    begin = "enable" if collects else "disable"
    code = f"import gc; gc.{begin}(); import thalweg.optim; print(gc.isenabled())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.strip() == str(collects), run.stderr


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
        ({"torch"}, {"thalweg.optim", "thalweg.lab.backends.torch", "thalweg.lab.bench.on_torch"}),
        ({"numba"}, set()),
        ({"llvmlite"}, {"thalweg.fuse.cpu"}),
        ({"jax", "jaxlib"}, {"thalweg.fuse.jax"}),
        ({"lightning"}, {"thalweg.integrations.lightning"}),
        ({"transformers"}, {"thalweg.integrations.transformers"}),
        ({"skorch"}, {"thalweg.integrations.skorch"}),
        ({"timm"}, {"thalweg.integrations.timm"}),
        ({"triton"}, {"thalweg.fuse.gpu"}),
        ({"matplotlib"}, {"thalweg.pictures"}),
    ],
    ids=lambda value: "+".join(sorted(value)),
)
def test_only_its_home_names_a_framework(frameworks, home):
    elsewhere = [path for module, path in MODULES.items() if not within(module, home)]
    assert offences(elsewhere, lambda name: within(name, frameworks)) == []


WORDS = {
    f"thalweg.{name}" for name in ("rule", "elementwise", "reductions", "matrices", "requests")
}


@pytest.mark.parametrize(
    ("folder", "allowed"),
    [
        ("rules", {*WORDS, "thalweg.rules", "thalweg.shelf"}),
        ("stages", {*WORDS, "thalweg.stages", "thalweg.shelf"}),
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


def test_the_scan_sees_every_way_to_import(tmp_path):
    source = """
import torch.nn as nn
from torch import Tensor
from . import sibling
from ..rule import Rule

def later():
    import numba
    importlib.import_module("matplotlib.pyplot")
"""
    (tmp_path / "rules").mkdir()
    path = tmp_path / "rules" / "example.py"
    path.write_text(source)
    assert set(imports(path, tmp_path)) == {
        "torch.nn",
        "torch.Tensor",
        "thalweg.rules.sibling",
        "thalweg.rule.Rule",
        "numba",
        "matplotlib.pyplot",
    }
