"""The stub of mytorch.optim is current, and a type checker finds wrong arguments by it."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.write_mytorch_stub import STUB, main, stub
from thalweg.mytorch import optim

ROOT = Path(__file__).parents[2]
CLASSES = [
    name
    for name in optim.__all__
    if isinstance(getattr(optim, name), type) and issubclass(getattr(optim, name), optim.Optimizer)
    if name != "Optimizer"
]

RIGHT = """\
from thalweg.averaging import EMA
from thalweg.mytorch import nn, optim

model = nn.Linear(2, 2)
opt = optim.SGD(model, 0.1, momentum=0.9, nesterov=True, lr_decay=0.01)
optim.AdamW(model.parameters(), lr=1, betas=(0.9, 0.99), average=EMA(0.999))
optim.AdamW(model.named_parameters(), decay_filter="no_bias_norm")
optim.Adam([{"params": model.weight, "lr": 0.1}], beta1=0.9, beta2=0.99)
optim.Ranger(list(model.parameters()), k=5).sync()
optim.AdaGrad(model, 0.1, 1e-8)
loss: object = opt.step(lambda: 3.0)
opt.zero_grad()
optim.Scheduler(opt, optim.lr_scheduler.StepLR(opt, 3))  # type: ignore[arg-type]
optim.lr_scheduler.ReduceLROnPlateau(opt, patience=3).step(0.5)
"""

# every line from the first optimizer on is wrong
WRONG = """\
from thalweg.mytorch import nn, optim

model = nn.Linear(2, 2)
optim.AdamW(model, learning_rate=1)
optim.SGD(model, lr="0.1")
optim.SGD(model, momentun=0.9)
optim.SGD()
optim.SGD(model, 0.1, 0.9, 0.0, 1e-4, True, True)
optim.Adam(model, betas=(0.9,))
optim.Adam(model, beta1="high")
optim.AdaGrad(model, 0.1, 1e-8, 3)
optim.Ranger(model, k=2.5)
optim.Ranger(model, warmup_mode="none")
optim.RMSprop(3)
optim.Adam(model).sync()
optim.Adam(model, foreach=True)
optim.AdamW(model, decay_filter="none")
optim.optimizer("Adam")
optim.lr_scheduler.StepLR(optim.SGD(model), "3")
"""


def test_the_stub_is_current():
    assert STUB.read_text(encoding="utf-8") == stub(), "run `make stubs`"


def test_a_stub_that_is_not_current_is_found_and_left_alone(tmp_path, capsys):
    path = tmp_path / "stub.pyi"
    assert main([], path) == main(["--check"], path) == 0
    path.write_text(stub() + "# a line of somebody's\n")
    assert main(["--check"], path) == 1
    assert "run `make stubs`" in capsys.readouterr().err
    assert path.read_text().endswith("somebody's\n")
    assert main(["--chekc"], path) == 2


def test_the_stub_is_formatted_as_everything_else():
    pytest.importorskip("ruff")
    for command in (["format", "--check"], ["check"]):
        run = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(STUB)], capture_output=True, text=True
        )
        assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("name", CLASSES)
def test_the_stub_has_the_arguments_that_help_shows(name):
    body = ast.parse(STUB.read_text(encoding="utf-8")).body
    (made,) = (n for n in body if isinstance(n, ast.ClassDef) and n.name == name)
    arguments = made.body[0].args
    shown = inspect.signature(getattr(optim, name)).parameters.values()
    given = [one.name for one in shown if one.kind is one.POSITIONAL_OR_KEYWORD]
    named = [one.name for one in shown if one.kind is one.KEYWORD_ONLY]
    others = [one.name for one in shown if one.kind is one.VAR_KEYWORD]
    assert [one.arg for one in arguments.args] == ["self", *given]
    assert [one.arg for one in [arguments.kwarg] if one] == others
    assert [one.arg for one in arguments.kwonlyargs][: len(named)] == named


def wrong_lines() -> set[int]:
    lines = WRONG.splitlines()
    first = next(i for i, line in enumerate(lines, 1) if line.startswith("model")) + 1
    return set(range(first, len(lines) + 1))


def write_programs(place: Path) -> list[str]:
    for name, text in (("right.py", RIGHT), ("wrong.py", WRONG)):
        (place / name).write_text(text)
    return [str(place / "right.py"), str(place / "wrong.py")]


@pytest.mark.slow
def test_mypy_accepts_right_calls_and_refuses_each_wrong_one(tmp_path):
    pytest.importorskip("mypy")
    run = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file=", "--follow-imports=silent"),
            *("--cache-dir", str(tmp_path / "cache"), *write_programs(tmp_path)),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    found = re.findall(r"(right|wrong)\.py:(\d+): error: (.*)", run.stdout)
    assert [error for error in found if error[0] == "right"] == [], run.stdout + run.stderr
    assert {int(line) for file, line, _ in found if file == "wrong"} == wrong_lines(), run.stdout


@pytest.mark.slow
def test_pyright_finds_them_too(tmp_path):
    pytest.importorskip("pyright")
    programs = write_programs(tmp_path)
    run = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, *programs],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    found = re.findall(r"(right|wrong)\.py:(\d+):\d+ - error: (.*)", run.stdout)
    assert [error for error in found if error[0] == "right"] == [], run.stdout + run.stderr
    assert {int(line) for file, line, _ in found if file == "wrong"} == wrong_lines(), run.stdout
