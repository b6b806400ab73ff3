"""What a module of this package leaves to the module of torch's in the same place."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

__all__ = ["from_torch"]

_OURS = "thalweg.optim"


def from_torch(module: str) -> Callable[[str], Any]:
    """A module's `__getattr__`: for a name that it lacks, our class if there is one, else torch's.

    So names of later versions of torch are there too, and private ones that old code imports.
    """
    theirs = f"torch.optim{module.removeprefix(_OURS)}"

    def __getattr__(name: str) -> Any:
        if not name.startswith("__"):
            ours = importlib.import_module(_OURS)
            if module != _OURS and name in ours.__all__:
                return getattr(ours, name)
            torchs = importlib.import_module(theirs)
            if hasattr(torchs, name):
                return getattr(torchs, name)
        raise AttributeError(f"neither {module} nor {theirs} has {name!r}")

    return __getattr__
