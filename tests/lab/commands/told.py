"""A command as a user runs it, in this process: what it prints, and with which code it ends."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("typer")


@dataclass
class Told:
    """What a command has said, and its exit code."""

    code: int
    out: str
    err: str


class Stream(io.StringIO):
    """A pipe that holds UTF-8."""

    encoding = "utf-8"


def thalweg(*arguments: str, columns: int = 80) -> Told:
    """Run `thalweg` with these arguments in a window of so many columns."""
    from thalweg.lab.cli import run

    out, err = Stream(), Stream()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("COLUMNS", str(columns))
        patch.setattr(sys, "argv", ["thalweg", *arguments])
        try:
            code = run()
        except SystemExit as end:
            code = int(end.code or 0)
    return Told(code, out.getvalue(), err.getvalue())


def step(opt, params) -> None:
    """A step on gradients of 1, also of a rule that asks for another gradient within it."""

    def evaluate() -> float:
        for p in params:
            p.grad = np.ones_like(p.data)
        return 0.0

    evaluate()
    names = {one.of for one in opt.chain.requests.values() if one.kind == "gradient"} - {"loss"}
    if opt.chain.requests:
        opt.step(evaluate, **dict.fromkeys(names, evaluate))
    else:
        opt.step()


def widest(text: str) -> int:
    return max(map(len, text.splitlines()))


def words(text: str) -> list[str]:
    return text.split()
