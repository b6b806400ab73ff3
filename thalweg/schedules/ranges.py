"""The ranges of the arguments of schedules, each said once for a curve and for torch's class."""

from __future__ import annotations

import math
from dataclasses import MISSING, field, fields
from typing import Any

from thalweg.settings import Setting

__all__ = [
    "AMOUNT",
    "COUNT",
    "DIVISOR",
    "FRACTION",
    "LAST_EPOCH",
    "LENGTH",
    "PEAKS",
    "PEAKS_BY",
    "POSITIVE_FRACTION",
    "SHAPE",
    "STEPS",
    "WHOLE",
    "argument",
    "check",
    "check_fields",
]

STEPS = Setting(1.0, low=0, below=math.inf)  # a part of a training need not be whole
WHOLE = Setting(1, low=0)
COUNT = Setting(1, low=1)
LAST_EPOCH = Setting(-1, low=-1)
LENGTH = Setting(1.0, above=0, below=math.inf)
AMOUNT = Setting(1.0, low=0, below=math.inf)
FRACTION = Setting(1.0, low=0, high=1)
POSITIVE_FRACTION = Setting(1.0, above=0, high=1)
SHAPE = Setting("cos", choices=("cos", "linear"))
DIVISOR = Setting(1.0, above=0)
PEAKS = Setting("triangular", choices=("triangular", "triangular2", "exp_range"))
PEAKS_BY = Setting("cycle", choices=("cycle", "iterations"))


def argument(allowed: Setting, default: Any = MISSING) -> Any:
    """Declare an argument of a curve, with the values it may have beside its default."""
    return field(default=default, metadata={"allowed": allowed})


def check(owner: str, **arguments: tuple[Setting, Any]) -> None:
    """Raise, naming owner and argument, for the first value outside its range."""
    for name, (allowed, value) in arguments.items():
        allowed.check(f"{owner}: {name}", value)


def check_fields(curve: Any) -> None:
    """Check every argument that a curve declares."""
    for each in fields(curve):
        value = getattr(curve, each.name)
        if "allowed" in each.metadata and not (value is None and each.default is None):
            each.metadata["allowed"].check(f"{type(curve).__name__}: {each.name}", value)
