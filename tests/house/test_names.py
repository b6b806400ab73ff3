"""Names that are listed in two places agree: `__all__`, the registry, the files, the stub."""

import ast
import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.write_stubs import STUB, main, stub
from tests.house.modules import MODULES, ROOT, syntax
from thalweg import optim, rules, stages
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule, Stage

LAB_NEEDS = ("typer", "rich", "matplotlib", "sklearn")

# importing `__main__` runs the command
FILES = {module: path for module, path in MODULES.items() if path.name != "__main__.py"}


def needs_no_list(module: str) -> bool:
    """Packages that are there for their modules, and files whose one class or chain is listed."""
    return module in {"thalweg", "thalweg.fuse", "thalweg.lbfgs"} or module.startswith(
        ("thalweg.composites.", "thalweg.rules.", "thalweg.stages.")
    )


def listed(path: Path) -> list[str] | None:
    """What a file's `__all__` spells out, read and not run; another list in it is its own."""
    for node in syntax(path).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets):
            assert isinstance(node.value, ast.List), f"{path} lists its names in another way"
            return [ast.literal_eval(e) for e in node.value.elts if not isinstance(e, ast.Starred)]
    return None


def ruffs_order(name: str) -> tuple:
    """RUF022's: CONSTANTS, then Classes, then the rest, numbers by value."""
    kind = 0 if re.fullmatch(r"[A-Z0-9_]+", name) else 1 if name[:1].isupper() else 2
    return kind, [
        (part.isdigit(), int(part) if part.isdigit() else part) for part in re.split(r"(\d+)", name)
    ]


@pytest.mark.parametrize("module", FILES)
def test_every_module_lists_its_names_in_order(module):
    names = listed(FILES[module])
    assert names is not None or needs_no_list(module), f"{module} has no __all__"
    assert names is None or names == sorted(set(names), key=ruffs_order)


@pytest.mark.parametrize("module", FILES)
def test_every_name_listed_is_there(module):
    if module.startswith("thalweg.lab") and not all(map(importlib.util.find_spec, LAB_NEEDS)):
        pytest.skip("the lab extra is not installed")
    if module.startswith("thalweg.integrations."):
        host = module.rpartition(".")[2]
        if importlib.util.find_spec(host) is None and host != "optimizers":
            pytest.skip(f"{host} is not installed")
    if module.startswith("thalweg.fuse.jax"):
        pytest.importorskip("jax", reason="jax is not installed")
    if module.startswith("thalweg.fuse.gpu"):
        pytest.importorskip("triton", reason="triton is not installed")
    imported = importlib.import_module(module)
    missing = [name for name in getattr(imported, "__all__", []) if not hasattr(imported, name)]
    assert missing == []


@pytest.mark.parametrize("module", [module for module, path in FILES.items() if listed(path)])
def test_every_public_function_is_listed(module):
    """One that is its module's own business has a leading underscore."""
    functions = [
        node.name
        for node in syntax(FILES[module]).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if not node.decorator_list  # commands are found by their decorator
    ]
    assert [name for name in functions if name not in listed(FILES[module])] == []


def classes_in(package, kind: type) -> dict[str, set[str]]:
    """The rules or stages that each file of a package defines."""
    found = {}
    for path in sorted(Path(package.__file__).parent.glob("*.py")):
        if path.name != "__init__.py":
            module = importlib.import_module(f"{package.__name__}.{path.stem}")
            found[path.stem] = {
                name
                for name, value in vars(module).items()
                if inspect.isclass(value)
                and issubclass(value, kind)
                and value.__module__ == module.__name__
            }
    return found


@pytest.mark.parametrize(("package", "kind"), [(rules, Rule), (stages, Stage)])
def test_a_package_lists_what_its_files_define(package, kind):
    files = classes_in(package, kind)
    assert files
    assert [stem for stem, names in files.items() if not names] == []
    assert set(package.__all__[1:]) == set().union(*files.values())  # the first is the list itself


def test_a_rule_is_in_the_file_of_its_name():
    assert {stem: {stem.replace("_", "")} for stem in classes_in(rules, Rule)} == {
        stem: {name.lower() for name in names} for stem, names in classes_in(rules, Rule).items()
    }


def test_the_border_exports_what_the_registry_holds():
    made = {
        name
        for name in optim.__all__
        if inspect.isclass(value := getattr(optim, name))
        and issubclass(value, optim.FusedOptimizer)
        and value is not optim.FusedOptimizer
    }
    assert made == set(OPTIMIZERS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_has_one_name_everywhere(name):
    cls = getattr(optim, name)
    assert (OPTIMIZERS[name].name, cls.chain.name, cls.__name__) == (name, name, name)


def test_the_stub_is_current():
    assert STUB.read_text(encoding="utf-8") == stub(), "run `make stubs`"
    assert main(["--check"]) == 0


def test_a_stub_that_is_not_current_is_found_and_left_alone(tmp_path, capsys):
    path = tmp_path / "__init__.pyi"
    assert main(["--check"], path) == 1
    assert not path.exists()
    path.write_text(stub() + "# a line of somebody's\n")
    assert main(["--check"], path) == 1
    assert "make stubs" in capsys.readouterr().err
    assert main([], path) == 0
    assert main(["--check"], path) == 0


def test_the_stub_is_formatted_as_everything_else():
    pytest.importorskip("ruff")
    for command in (["format", "--check"], ["check"]):
        run = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(STUB)], capture_output=True, text=True
        )
        assert run.returncode == 0, run.stdout + run.stderr


def stub_arguments(name: str) -> dict[str, bool]:
    """Each argument of a class in the stub, and whether it must be given by keyword."""
    (cls,) = (
        node for node in syntax(STUB).body if isinstance(node, ast.ClassDef) and node.name == name
    )
    (init,) = cls.body
    return {a.arg: False for a in init.args.args} | {a.arg: True for a in init.args.kwonlyargs}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_stub_has_the_arguments_that_help_shows_and_the_aliases(name):
    signature = inspect.signature(getattr(optim, name).__init__)
    want = {
        p.name: p.kind is p.KEYWORD_ONLY
        for p in signature.parameters.values()
        if p.kind is not p.VAR_KEYWORD
    }
    want |= dict.fromkeys(OPTIMIZERS[name].aliases, True)
    assert stub_arguments(name) == want


RIGHT = """
import torch
import thalweg.optim as optim
from thalweg.optim import Adam, FusedOptimizer, Optimizer, Ranger, optimizer
from thalweg.rules import RAdam

model = torch.nn.Linear(2, 2)
rate = torch.tensor(0.1)
one: Optimizer = optim.SGD(model.parameters(), 0.1, 0.9, 0.0, 1e-4, True, maximize=True)
other: FusedOptimizer = Adam(model.named_parameters(), lr=rate, betas=(rate, 0.9), fused=True)
optim.AdamW([{"params": model.parameters(), "lr": 0.1}], amsgrad=True)
optim.RAdam(params=model.parameters(), decoupled_weight_decay=True, foreach=None)
ranger = Ranger(model.parameters(), k=5, alpha=0.8, N_sma_threshhold=5, warmup_mode="skip")
with ranger.slow_weights():
    ranger.sync()
loss: float = ranger.step(lambda: 1.0)
ranger.step()
made: type[FusedOptimizer] = optimizer(RAdam)
made(model.parameters(), lr=0.1).zero_grad()
torch.optim.lr_scheduler.StepLR(one, 1)
optim.lr_scheduler.StepLR(other, 1)
"""
WRONG = """
import torch
import thalweg.optim as optim

model = torch.nn.Linear(2, 2)
optim.SGD(model.parameters(), lr="0.1")
optim.SGD(model.parameters(), momentun=0.9)
optim.SGD()
optim.SGD(model.parameters(), 0.1, 0.9, 0.0, 1e-4, True, True)
optim.Adam(model.parameters(), betas=(0.9,))
optim.Adam(model.parameters(), betas=0.9)
optim.Adam(model.parameters(), amsgrad="yes")
optim.AdamW(model.parameters(), decoupled_weight_decay=False)
optim.RAdam(3)
optim.Ranger(model.parameters(), k=2.5)
optim.Ranger(model.parameters(), warmup_mode="none")
optim.Adam(model.parameters()).sync()
optim.optimizer("Adam")
optim.SGD(model.parameters()).step(3)
"""


def first_line_of(program: str) -> int:
    lines = program.splitlines()
    return next(i for i, line in enumerate(lines, 1) if line.startswith("model")) + 1


@pytest.mark.slow
def test_mypy_accepts_right_calls_and_refuses_each_wrong_one(tmp_path):
    pytest.importorskip("mypy")
    for name, text in (("right.py", RIGHT), ("wrong.py", WRONG)):
        (tmp_path / name).write_text(text)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file=", "--follow-imports=silent"),
            # kept, so that torch is read once and not at every run
            *("--cache-dir", str(ROOT / ".mypy_cache" / "stub")),
            *(str(tmp_path / "right.py"), str(tmp_path / "wrong.py")),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    found = re.findall(r"(right|wrong)\.py:(\d+): error: (.*)", run.stdout)
    assert [error for error in found if error[0] == "right"] == [], run.stdout + run.stderr
    lines = range(first_line_of(WRONG), len(WRONG.splitlines()) + 1)
    assert {int(line) for file, line, _ in found if file == "wrong"} == set(lines), run.stdout
