"""Writes `thalweg/mytorch/optim/__init__.pyi`, so that editors and type checkers see signatures.

The classes are made at run time out of `thalweg.optimizers`, where no checker can follow.

    make stubs                                     write it anew, and those of the torch border
    python -m scripts.write_mytorch_stub --check   say whether it is current, and change nothing
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import thalweg.mytorch.optim
from scripts.stub_lines import in_order, of_class, of_setting
from thalweg.averaging import Average
from thalweg.border.asking import AskingSteps
from thalweg.border.copies import SlowWeights
from thalweg.border.groups import NO_BIAS_NORM
from thalweg.mytorch.optim import (
    LBFGS,
    Optimizer,
    Scheduler,
    create,
    matrix_groups,
    names,
    optimizer,
)

STUB = Path(thalweg.mytorch.optim.__file__).with_suffix(".pyi")

_HEADER = f'''"""Made by scripts/write_mytorch_stub.py; `make stubs` writes it anew."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from {Average.__module__} import Average
from {AskingSteps.__module__} import AskingSteps
from {SlowWeights.__module__} import SlowWeights
from {matrix_groups.__module__} import {matrix_groups.__name__}
from thalweg.mytorch.nn import Module, Parameter
from thalweg.mytorch.optim import lr_scheduler
from {create.__module__} import {create.__name__}, {names.__name__}
from {LBFGS.__module__} import {LBFGS.__name__}
from {Optimizer.__module__} import {Optimizer.__name__}, {optimizer.__name__}
from {Scheduler.__module__} import {Scheduler.__name__}

__all__ = [
{{names}}
]

_Params = (
    Module | Iterable[Parameter] | Iterable[tuple[str, Parameter]] | Iterable[Mapping[str, Any]]
)
'''


def stub() -> str:
    """The text of the stub, as `ruff format` would leave it."""
    exported = sorted(thalweg.mytorch.optim.__all__, key=in_order)
    made = [name for name in exported if _is_made(name)]
    lines = "\n".join(f'    "{name}",' for name in exported)
    return _HEADER.format(names=lines) + "".join(map(_class, made))


def _is_made(name: str) -> bool:
    found = getattr(thalweg.mytorch.optim, name)
    return isinstance(found, type) and issubclass(found, Optimizer) and found is not Optimizer


def _class(name: str) -> str:
    cls = getattr(thalweg.mytorch.optim, name)
    more = [one.__name__ for one in (AskingSteps, SlowWeights) if issubclass(cls, one)]
    bases = ", ".join([*more, "Optimizer"])
    return of_class(cls, bases, "params: _Params", _type)


def _type(cls: type[Optimizer], name: str, default: object) -> str:
    if name == "decay_filter":
        return f'Literal["{NO_BIAS_NORM}"] | Callable[[str, Parameter], bool] | None'
    if name == "average":
        return "Average | None"
    if default is None:  # beta1 and beta2
        return "float | None"
    return of_setting(cls, name, default, "float")


def main(arguments: Sequence[str], path: Path = STUB) -> int:
    """Write the stub; with `--check`, only compare. Returns the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: write_mytorch_stub [--check]", file=sys.stderr)
        return 2
    if not arguments:
        path.write_text(stub(), encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != stub():
        print(f"{path.name} is not current: run `make stubs`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
