"""What a user names by where it is: `FILE.py:name`, or `package.module:name`."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import traceback
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from thalweg.lab.errors import UserError

__all__ = ["is_place", "load"]


def is_place(text: str) -> bool:
    """Whether a text says where something is, and is no plain name."""
    return ":" in text


def load(text: str, what: str) -> Any:
    """The object at `FILE.py:name` or `package.module:name`; `what` begins the sentence of errors.

    Raises UserError if the file or package is not there, does not import or has no such name.
    """
    place, _, name = text.rpartition(":")
    if not place or not name.isidentifier():
        raise UserError(f"{what} must be FILE.py:NAME or package.module:NAME, got {text!r}")
    module = _of_file(place, what) if place.endswith(".py") else _of_package(place, what)
    found = getattr(module, name, None)
    if found is None:
        raise UserError(f"{what}: {place} has no {name!r}{_hint(name, module)}")
    return found


def _hint(name: str, module: ModuleType) -> str:
    own = [
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and callable(value) and _is_own(value, module)
    ]
    close = difflib.get_close_matches(name, own, n=1)
    if close:
        return f" (did you mean {close[0]}?)"
    return f"; it has {', '.join(own[:8])}" if own else ""


def _is_own(value: Any, module: ModuleType) -> bool:
    return str(getattr(value, "__module__", "")).startswith(module.__name__)


def _of_file(place: str, what: str) -> ModuleType:
    path = Path(place)
    if not path.is_file():
        raise UserError(f"{what}: there is no file {place}")
    try:
        return _run(str(path.resolve()), path.stat().st_mtime_ns)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        raise UserError(f"{what}: {place} does not import: {_said(error, path)}") from error


@cache
def _run(path: str, changed: int) -> ModuleType:
    """The module of a file, run once for each state of it."""
    name = f"thalweg_user_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a path that ends in .py has a spec"
    assert spec.loader is not None, "and a loader"
    module = importlib.util.module_from_spec(spec)
    folder = str(Path(path).parent)
    sys.modules[name] = module  # as classes of the file look for themselves there
    sys.path.insert(0, folder)  # the file may import its neighbours
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(folder)
    return module


def _said(error: BaseException, path: Path) -> str:
    """An error in a line, with the line of the user's file where it came up."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).name == path.name
    ]
    if isinstance(error, SyntaxError):
        lines = [error.lineno]
    where = f"line {lines[-1]}: " if lines and lines[-1] else ""
    text = " ".join(str(error.args[0] if isinstance(error, SyntaxError) else error).split())
    return f"{where}{type(error).__name__}: {text}" if text else f"{where}{type(error).__name__}"


def _of_package(place: str, what: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        missing = error.name or place
        if place == missing or place.startswith(f"{missing}."):
            raise UserError(f"{what}: no package called {missing} is installed") from error
        raise UserError(f"{what}: {place} needs {missing}, which is not installed") from error
    except (ImportError, ValueError, TypeError) as error:
        raise UserError(f"{what}: {place} does not import: {error}") from error
