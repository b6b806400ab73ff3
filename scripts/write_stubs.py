"""Writes what of `thalweg/optim/` follows from lists kept elsewhere.

`__init__.pyi`, so that editors and type checkers see true signatures: the classes are made at run
time out of `thalweg.optimizers`, where no checker can follow. And one small module for each public
one of torch.optim that is not written by hand, so that `from thalweg.optim.adamw import AdamW` is
as `from torch.optim.adamw import AdamW`.

    make stubs                              write them anew, and mytorch's
    python -m scripts.write_stubs --check   say whether they are current, and change nothing
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

import torch.optim

import thalweg.optim
from scripts.stub_lines import in_order, of_class, of_setting, spelled
from thalweg.averaging import Average
from thalweg.border.asking import AskingSteps
from thalweg.border.copies import SlowWeights
from thalweg.border.groups import NO_BIAS_NORM
from thalweg.optim import FusedOptimizer, fused
from thalweg.optim.memory.states import STATE_TYPES
from thalweg.optimizers import OPTIMIZERS

STUB = Path(thalweg.optim.__file__).with_suffix(".pyi")
LINE_LENGTH = 100  # as in pyproject.toml
BY_HAND = ("lbfgs", "lr_scheduler", "optimizer", "swa_utils")

_MODULE = '''"""Made by scripts/write_stubs.py: what `torch.optim.{name}` has, with our class."""

{functions}from thalweg.optim import {classes}
from thalweg.optim.fallback import from_torch

{exports}

__getattr__ = from_torch(__name__)
'''

# A class that passes for torch's differs from it in what programs do not see.
_HEADER = '''"""Made by scripts/write_stubs.py; `make stubs` writes it anew."""

# mypy: disable-error-code="misc, override"

from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor
from torch import optim as _torchs
from torch.nn import Module
from torch.optim import Optimizer, swap_in_optimizer_params_and_state
from torch.optim.optimizer import ParamsT

{imports}

{exports}
'''

_FOOTER = "\ndef __getattr__(name: str) -> Any: ...  # whatever else torch.optim has\n"


def modules() -> dict[Path, str]:
    """The modules that pass torch's names on, with our classes, and their texts."""
    theirs = [module.name for module in pkgutil.iter_modules(torch.optim.__path__)]
    public = [name for name in theirs if not name.startswith("_") and name not in BY_HAND]
    return {STUB.with_name(f"{name}.py"): _module(name) for name in public}


def _module(name: str) -> str:
    names = importlib.import_module(f"torch.optim.{name}").__all__
    ours = [each for each in names if each in thalweg.optim.__all__]
    rest = [each for each in names if each not in ours]
    functions = f"from torch.optim.{name} import {', '.join(rest)}\n\n" if rest else ""
    exports = _exports(sorted(names, key=lambda each: (not each.isupper(), each.islower(), each)))
    return _MODULE.format(name=name, functions=functions, classes=", ".join(ours), exports=exports)


def stub() -> str:
    """The text of the stub, as `ruff format` would leave it."""
    header = _HEADER.format(
        imports=_imports(), exports=_exports(sorted(thalweg.optim.__all__, key=in_order))
    )
    classes = [_class(name) for name in OPTIMIZERS]
    return header + "".join(classes) + _FOOTER


def _imports() -> str:
    """Where the names come from that are written by hand, which the stub need not repeat."""
    written = {kind.__module__: [kind.__name__] for kind in (Average, AskingSteps, SlowWeights)}
    for name in thalweg.optim.__all__:
        found = getattr(thalweg.optim, name)
        if name == "optimizer":  # a module that is called as the function is
            found = fused.optimizer
        module = thalweg.optim.__name__ if inspect.ismodule(found) else found.__module__
        if inspect.ismodule(found) or (module.startswith("thalweg.") and module != "thalweg.optim"):
            written.setdefault(module, []).append(name)
    return "\n".join(f"from {m} import {', '.join(sorted(written[m]))}" for m in sorted(written))


def _exports(names: Sequence[str]) -> str:
    line = f"__all__ = [{', '.join(map(spelled, names))}]"
    if len(line) <= LINE_LENGTH:
        return line
    return "\n".join(["__all__ = [", *(f"    {spelled(name)}," for name in names), "]"])


def _class(name: str) -> str:
    cls = getattr(thalweg.optim, name)
    return of_class(cls, ", ".join(map(_base, cls.__bases__)), "params: ParamsT | Module", _type)


def _base(cls: type) -> str:
    """A base as the stub names it: torch's class has the name of ours."""
    name = cls.__name__
    return f"_torchs.{name}" if cls is getattr(torch.optim, name, None) else name


def _type(cls: type[FusedOptimizer], name: str, default: object) -> str:
    if name == "state_dtype":
        return f"Literal[{', '.join(map(spelled, STATE_TYPES))}]"
    if name == "decay_filter":
        return f"Literal[{spelled(NO_BIAS_NORM)}] | Callable[[str, Tensor], bool] | None"
    if name == "average":
        return f"{Average.__name__} | None"
    if default is None:  # a flag that chooses nothing unless it is given
        return "bool | None"
    return of_setting(cls, name, default, "float | Tensor")


def main(arguments: Sequence[str], path: Path = STUB) -> int:
    """Write the stub and the modules; with `--check`, only compare. Returns the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: write_stubs [--check]", file=sys.stderr)
        return 2
    code = 0
    for each, text in {path: stub(), **modules()}.items():
        if each.exists() and each.read_text(encoding="utf-8") == text:
            continue
        if not arguments:
            each.write_text(text, encoding="utf-8")
        else:
            print(f"{each.name} is not current: run `make stubs`", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
