"""Writes `thalweg/mytorch/optim/__init__.pyi`, so that editors and type checkers see signatures.

The classes are made at run time out of `thalweg.optimizers`, where no checker can follow.

    python scripts/write_mytorch_stub.py            write the stub anew
    python scripts/write_mytorch_stub.py --check    say whether it is current, and change nothing
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import thalweg.mytorch.optim
from thalweg.averaging import Average
from thalweg.border.copies import SlowWeights
from thalweg.border.groups import NO_BIAS_NORM
from thalweg.mytorch.optim import Optimizer, Scheduler, optimizer

STUB = Path(thalweg.mytorch.optim.__file__).with_suffix(".pyi")

_HEADER = f'''"""Made by scripts/write_mytorch_stub.py, which writes it anew."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from {Average.__module__} import Average
from {SlowWeights.__module__} import SlowWeights
from thalweg.mytorch.nn import Module, Parameter
from thalweg.mytorch.optim import lr_scheduler
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
    exported = sorted(thalweg.mytorch.optim.__all__, key=_order)
    made = [name for name in exported if _is_made(name)]
    names = "\n".join(f'    "{name}",' for name in exported)
    return _HEADER.format(names=names) + "".join(map(_class, made))


def _order(name: str) -> tuple[int, str]:
    """As ruff sorts them: constants, classes, the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def _is_made(name: str) -> bool:
    found = getattr(thalweg.mytorch.optim, name)
    return isinstance(found, type) and issubclass(found, Optimizer) and found is not Optimizer


def _class(name: str) -> str:
    cls = getattr(thalweg.mytorch.optim, name)
    bases = "SlowWeights, Optimizer" if issubclass(cls, SlowWeights) else "Optimizer"
    lines = [
        f"class {name}({bases}):",
        "    def __init__(",
        *(f"        {argument}," for argument in ["self", "params: _Params", *_arguments(cls)]),
        "    ) -> None: ...",
    ]
    return "\n" + "\n".join(lines) + "\n"


def _arguments(cls: type[Optimizer]) -> Iterator[str]:
    """Every argument after `params`, with its type and its default."""
    keyword_only = False
    _, *parameters = inspect.signature(cls).parameters.values()
    for one in parameters:
        if one.kind is one.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            yield "*"
        yield f"{one.name}: {_type(cls, one.name, one.default)} = {_text(one.default)}"
    for alias, name in cls.chain.aliases.items():
        yield f"{alias}: {_type(cls, name, cls.chain.settings[name].default)} = ..."


def _type(cls: type[Optimizer], name: str, default: object) -> str:
    if name == "decay_filter":
        return f'Literal["{NO_BIAS_NORM}"] | Callable[[str, Parameter], bool] | None'
    if name == "average":
        return "Average | None"
    if name in cls.chain.settings and cls.chain.settings[name].choices:
        return f"Literal[{', '.join(map(_text, cls.chain.settings[name].choices))}]"
    if isinstance(default, tuple):
        return f"tuple[{', '.join(['float'] * len(default))}]"
    if default is None:  # beta1 and beta2
        return "float | None"
    return type(default).__name__


def _text(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def main(arguments: Sequence[str], path: Path = STUB) -> int:
    """Write the stub; with `--check`, only compare. Returns the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: write_mytorch_stub.py [--check]", file=sys.stderr)
        return 2
    if not arguments:
        path.write_text(stub(), encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != stub():
        print(f"{path.name} is not current: run scripts/write_mytorch_stub.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
