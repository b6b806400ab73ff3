"""What a user names as FILE.py:NAME: a surface or a rule of their own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from thalweg.lab.errors import UserError
from thalweg.source import unknown

__all__ = ["load"]


def load(spec: str, what: str, form: str) -> Any:
    """Give what stands under a name in a Python file; UserError says what is missing and the form
    that is asked for."""
    place, _, name = spec.rpartition(":")
    path = Path(place)
    if not path.is_file():
        raise UserError(f"{spec}: there is no file {place}; {what} is given as FILE.py:NAME")
    module_name = f"thalweg_user_{path.stem}"
    found = importlib.util.spec_from_file_location(module_name, path)
    if found is None or found.loader is None:
        raise UserError(f"{spec}: {place} is no Python file")
    module = importlib.util.module_from_spec(found)
    sys.modules[module_name] = module  # where inspect looks for the lines of a class
    try:
        found.loader.exec_module(module)
    except Exception as error:
        said = str(error).strip().splitlines()
        raise UserError(
            f"{spec}: {place} cannot be imported: {type(error).__name__}: {said[0] if said else ''}"
        ) from error
    if not hasattr(module, name):
        known = [key for key in vars(module) if not key.startswith("_")]
        raise UserError(f"{spec}: {unknown(name, known)}; the form is `{form}`")
    return getattr(module, name)
