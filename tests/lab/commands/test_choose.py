"""`thalweg choose` gives a line of code, with evidence that has a source, or says it has none."""

import io
import json
import re
import sys
from itertools import product

import pytest

from tests.lab.commands.told import thalweg, widest

pytest.importorskip("typer")

from thalweg.lab.choose import choose
from thalweg.lab.choose.choice import BUDGETS, MEMORIES, TASKS
from thalweg.lab.errors import UserError
from thalweg.lab.listing import named

EVERY = list(product(TASKS, BUDGETS, MEMORIES))


@pytest.mark.parametrize(("task", "budget", "memory"), EVERY)
def test_every_answer_has_code_reason_evidence_and_its_limits(task, budget, memory):
    found = choose(task, budget, memory)
    assert found.code.startswith(f"opt = thalweg.optim.{found.optimizer}(")
    assert named(found.optimizer).kind == "optimizers"
    assert found.reason.endswith(".")
    assert found.lacking.endswith(".")
    assert found.next_steps
    for fact in found.evidence:
        assert fact.source.startswith("counted") or re.search(r"arXiv:\d{4}\.\d{5}", fact.source)


@pytest.mark.parametrize(("task", "budget", "memory"), EVERY)
def test_the_code_is_python_that_the_optimizer_takes(task, budget, memory):
    torch = pytest.importorskip("torch")
    import thalweg
    import thalweg.optim

    model = torch.nn.Module()
    model.blocks = torch.nn.Linear(3, 2)
    code = choose(task, budget, memory).code.replace("=...", "=0.1")
    names = {"thalweg": thalweg, "model": model}
    exec(code, names)
    assert isinstance(names["opt"], torch.optim.Optimizer)


def test_what_no_study_is_about_is_said():
    assert "reinforcement learning" in choose("rl").lacking
    assert "no evidence" in choose("pinn").lacking
    assert choose("pinn").evidence[0].source.startswith("counted")  # and no study


def told_of(task, budget="small", memory="ample"):
    return {one.what: one.names for one in choose(task, budget, memory).others}


def test_the_registry_says_who_else_fits_by_the_rules_alone():
    tight = told_of("language", memory="tight")
    assert {"SGD", "SAM"} <= {*tight["keep 0 bytes for each float32 weight"]}
    four = tight["keep 4 bytes for each float32 weight"]
    assert {"AdamMini", "CAME", "LARS"} <= {*four}
    assert not {"Lion", "Adam", "Shampoo", "Muon", "SparseAdam"} & {*four}  # Lion is the answer
    assert {"SOAP", "Shampoo"} <= {*told_of("language", "large")["look at whole matrices"]}
    assert "CAME" not in told_of("language", "large")["look at whole matrices"]
    assert "Prodigy" in told_of("vision", "none")["find their rate themselves"]
    assert "NAdam" in told_of("vision")["are set as AdamW is, with no more memory"]
    assert not told_of("pinn")


def test_tight_memory_is_answered_with_less_of_it():
    for task in TASKS:
        if task != "pinn":
            (fact,) = (f for f in choose(task, memory="tight").evidence if f.source == "counted")
            assert re.search(r" [04] bytes", fact.text), fact


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_it_fits_its_window(columns):
    flags = ("--task", "language", "--budget", "small", "--memory", "ample")
    told = thalweg("choose", *flags, columns=columns)
    assert told.code == 0
    prose = told.out.partition("\n\n")[2].partition("\nNext\n")[0]  # code and commands stay whole
    assert widest(prose) <= min(columns, 100)


def test_json_says_the_same():
    flags = ("--task", "vision", "--budget", "none", "--memory", "ample")
    told = json.loads(thalweg("choose", *flags, "--json").out)
    assert told["code"] == choose("vision", "none").code


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--task", "audio"), "--task must be one of vision, language, tabular, rl, pinn"),
        (("--task", "rl"), "nobody is there to be asked; add --budget none|small|large"),
        (("--task", "rl", "--budget", "huge"), "--budget must be one of none, small, large"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_request_is_answered(arguments, says, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    told = thalweg("choose", *arguments)
    assert told.code == 2
    assert says in told.err
    with pytest.raises(UserError, match="--task must be one of"):
        choose("audio")


class Answers:
    """A terminal at which somebody types these lines."""

    def __init__(self, *lines: str) -> None:
        self._lines = list(lines)

    def isatty(self) -> bool:
        return True

    def readline(self, *_: int) -> str:
        return f"{self._lines.pop(0)}\n" if self._lines else ""


def test_what_no_flag_says_is_asked_until_it_is_answered(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Answers("speech", "tab", "s"))
    told = thalweg("choose", "--memory", "ample")
    assert told.code == 0, told.err
    assert told.out.count("?") == 2
    assert "one of vision, language, tabular, rl, pinn, please" in told.out
    assert choose("tabular", "small").code in told.out


def test_no_answer_is_said(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Answers())
    told = thalweg("choose")
    assert told.code == 2
    assert "no answer; --task says it without a question" in told.err
