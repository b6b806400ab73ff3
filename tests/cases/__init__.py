"""Every optimizer that the tests loop over: a file each, found by being here.

A file has the optimizer's lines from its paper and what it is tried with, `SUBJECT`.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from tests.subject import Case, Subject, with_maximize

__all__ = ["CASES", "SUBJECTS", "Case", "Subject", "at_torch", "with_maximize"]


def _found() -> list[Subject]:
    """What each file says, in the order of the registry."""
    files = [path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__"]
    found = [importlib.import_module(f"{__name__}.{file}").SUBJECT for file in files]
    return sorted(found, key=lambda one: one.name)


SUBJECTS = _found()
CASES = [case for each in SUBJECTS for case in each.cases]


def at_torch() -> list[Case]:
    """The cases that torch has a class for."""
    return [one for one in CASES if one.torch]
