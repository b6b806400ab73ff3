"""Writes `thalweg/optim/__init__.pyi`, so that editors and type checkers see true signatures.

The classes are made at run time out of `thalweg.optimizers`, where no checker can follow.

    make stubs                              write the stub anew
    python scripts/write_stubs.py --check   say whether it is current, and change nothing
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import thalweg.optim
from thalweg.averaging import Average
from thalweg.border.copies import SlowWeights
from thalweg.border.groups import NO_BIAS_NORM
from thalweg.optim import FusedOptimizer
from thalweg.optim.memory.states import STATE_TYPES
from thalweg.optimizers import OPTIMIZERS

STUB = Path(thalweg.optim.__file__).with_suffix(".pyi")
LINE_LENGTH = 100  # as in pyproject.toml

_HEADER = '''"""Made by scripts/write_stubs.py; `make stubs` writes it anew."""

from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

{imports}

{exports}
'''

_FOOTER = "\ndef __getattr__(name: str) -> Any: ...  # whatever else torch.optim has\n"


def stub() -> str:
    """The text of the stub, as `ruff format` would leave it."""
    header = _HEADER.format(
        imports=_imports(), exports=_exports(sorted(thalweg.optim.__all__, key=_order))
    )
    classes = [_class(name) for name in OPTIMIZERS]
    return header + "".join(classes) + _FOOTER


def _imports() -> str:
    """Where the names come from that are written by hand, which the stub need not repeat."""
    written = {kind.__module__: [kind.__name__] for kind in (Average, SlowWeights)}
    for name in thalweg.optim.__all__:
        found = getattr(thalweg.optim, name)
        module = thalweg.optim.__name__ if inspect.ismodule(found) else found.__module__
        if inspect.ismodule(found) or (module.startswith("thalweg.") and module != "thalweg.optim"):
            written.setdefault(module, []).append(name)
    return "\n".join(f"from {m} import {', '.join(sorted(written[m]))}" for m in sorted(written))


def _exports(names: Sequence[str]) -> str:
    line = f"__all__ = [{', '.join(map(_text, names))}]"
    if len(line) <= LINE_LENGTH:
        return line
    return "\n".join(["__all__ = [", *(f"    {_text(name)}," for name in names), "]"])


def _order(name: str) -> tuple[int, str]:
    """As ruff sorts them: constants, classes, the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def _class(name: str) -> str:
    cls = getattr(thalweg.optim, name)
    bases = ", ".join(base.__name__ for base in cls.__bases__)
    arguments = ["self", "params: ParamsT | Module", *_arguments(cls)]
    lines = [
        f"class {name}({bases}):",
        "    def __init__(",
        *(f"        {argument}," for argument in arguments),
        "    ) -> None: ...",
    ]
    return "\n" + "\n".join(lines) + "\n"


def _arguments(cls: type[FusedOptimizer]) -> Iterator[str]:
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


def _type(cls: type[FusedOptimizer], name: str, default: object) -> str:
    if name == "state_dtype":
        return f"Literal[{', '.join(map(_text, STATE_TYPES))}]"
    if name == "decay_filter":
        return f"Literal[{_text(NO_BIAS_NORM)}] | Callable[[str, Tensor], bool] | None"
    if name == "average":
        return f"{Average.__name__} | None"
    if name in cls.chain.settings and cls.chain.settings[name].choices:
        return f"Literal[{', '.join(map(_text, cls.chain.settings[name].choices))}]"
    if isinstance(default, tuple):
        return f"tuple[{', '.join(['float | Tensor'] * len(default))}]"
    if default is None:  # a flag that chooses nothing unless it is given
        return "bool | None"
    kind = type(default).__name__
    return "float | Tensor" if kind == "float" else kind


def _text(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def main(arguments: Sequence[str], path: Path = STUB) -> int:
    """Write the stub; with `--check`, only compare. Returns the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: write_stubs.py [--check]", file=sys.stderr)
        return 2
    if not arguments:
        path.write_text(stub(), encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != stub():
        print(f"{path.name} is not current: run `make stubs`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
