"""A package whose files are its list: each class or chain is found by its file, not imported yet.

Forty rules cost a program that uses one of them the reading of forty file heads, and no checks.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from thalweg.source import unknown

__all__ = ["chains_in", "found_in", "taken"]

_CLASS = re.compile(r"^class ([A-Za-z]\w*)\(", re.MULTILINE)
_CHAIN = re.compile(r"^([A-Za-z]\w*) = chain\(", re.MULTILINE)


def found_in(package_file: str) -> dict[str, str]:
    """Every public class that a package's files define, with the module that does, in order."""
    return _defined(package_file, _CLASS)


def chains_in(package_file: str) -> dict[str, str]:
    """Every public chain that a package's files define, with the module that does, in order."""
    return _defined(package_file, _CHAIN)


def _defined(package_file: str, head: re.Pattern[str]) -> dict[str, str]:
    modules = [path for path in Path(package_file).parent.glob("*.py") if path.stem != "__init__"]
    pairs = [
        (name, path.stem)
        for path in modules
        for name in head.findall(path.read_text(encoding="utf-8"))
    ]
    return dict(sorted(pairs))


def taken(package: str, found: Mapping[str, str], name: str) -> Any:
    """The class or chain of that name, for a package's `__getattr__`."""
    if name not in found:
        what = f"; {unknown(name, found)}" if not name.startswith("_") else ""
        raise AttributeError(f"module {package!r} has no attribute {name!r}{what}")
    return getattr(importlib.import_module(f"{package}.{found[name]}"), name)
