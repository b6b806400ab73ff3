"""A package whose files are its list: each class is found by its file, and imported when asked for.

Forty rules cost a program that uses one of them the reading of forty file heads, and no checks.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from thalweg.source import unknown

__all__ = ["found_in", "taken"]

_CLASS = re.compile(r"^class ([A-Za-z]\w*)\(", re.MULTILINE)


def found_in(package_file: str) -> dict[str, str]:
    """Every public class that a package's files define, with the module that does, in order."""
    modules = [path for path in Path(package_file).parent.glob("*.py") if path.stem != "__init__"]
    pairs = [
        (name, path.stem)
        for path in modules
        for name in _CLASS.findall(path.read_text(encoding="utf-8"))
    ]
    return dict(sorted(pairs))


def taken(package: str, found: Mapping[str, str], name: str) -> Any:
    """The class of that name, for a package's `__getattr__`."""
    if name not in found:
        what = f"; {unknown(name, found)}" if not name.startswith("_") else ""
        raise AttributeError(f"module {package!r} has no attribute {name!r}{what}")
    return getattr(importlib.import_module(f"{package}.{found[name]}"), name)
