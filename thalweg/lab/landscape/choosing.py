"""What the command line says of a surface and a start, as a surface and a plan."""

from __future__ import annotations

import difflib
import math
from dataclasses import replace

import numpy as np

from thalweg.lab.errors import UserError
from thalweg.lab.landscape.surface import Surface, Window, minima_in
from thalweg.lab.landscape.surfaces import SURFACES
from thalweg.lab.landscape.surfaces.valley import valley
from thalweg.lab.loading import is_place, load

__all__ = ["DEFAULT", "chosen_surface", "numbers"]

DEFAULT = "beale"

_OWN_WINDOW: Window = (-3.0, 3.0, -3.0, 3.0)
_FORM = "def bowl(x, y): return x**2 + 3 * y**2"


def chosen_surface(
    name: str,
    condition: float | None = None,
    window: Window | None = None,
    start: tuple[float, float] | None = None,
) -> Surface:
    """The surface of a name or of FILE.py:function, looked at in a window. Raises UserError."""
    if window is not None and not (window[0] < window[1] and window[2] < window[3]):
        raise UserError(f"--window must be X,X,Y,Y, each pair rising, got {window}")
    made = _own(name, window or _OWN_WINDOW) if is_place(name) else _known(name)
    if condition is not None:
        if made.name != "valley":
            raise UserError(f"--condition is for the surface valley, and this is {made.name}")
        if not (math.isfinite(condition) and condition >= 1):
            raise UserError(f"--condition must be a number from 1 on, got {condition:g}")
        made = valley(condition)
    made = replace(made, window=window or made.window, start=start or made.start)
    value = made.height(np.array(made.start))
    if not np.isfinite(value):
        raise UserError(f"{made.name} has no finite value at the start {made.start}")
    if made.saddle is not None and made.start[0] == made.saddle[0]:
        raise UserError(f"--start must lie on the ridge of the {made.name}: x must not be 0")
    return made


def numbers(option: str, text: str | None, count: int) -> tuple[float, ...] | None:
    """So many finite numbers with commas. Raises UserError."""
    if text is None:
        return None
    try:
        found = tuple(float(one) for one in text.split(","))
    except ValueError:
        found = ()
    if len(found) != count or not all(map(math.isfinite, found)):
        raise UserError(f"{option} must be {count} numbers with commas, got {text!r}")
    return found


def _known(typed: str) -> Surface:
    name = typed.lower().replace("_", "-")
    if name in SURFACES:
        return SURFACES[name]
    close = difflib.get_close_matches(name, SURFACES, 1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    raise UserError(
        f"no surface is called {typed!r}{hint}; there are {', '.join(SURFACES)}, and your own is "
        "FILE.py:function"
    )


def _own(spec: str, window: Window) -> Surface:
    """A user's function: what it gives is tried on some points first."""
    try:
        function = load(spec, spec)
    except UserError as error:
        raise UserError(f"{error}; a surface is a function such as `{_FORM}`") from error
    name = spec.rpartition(":")[2]
    if not callable(function):
        kind = type(function).__name__
        raise UserError(f"{spec} must be a function such as `{_FORM}`, got {kind}")
    x_low, x_high, y_low, y_high = window
    middle = ((x_low + x_high) / 2, (y_low + y_high) / 2)
    start = (x_low + (x_high - x_low) / 8, y_low + (y_high - y_low) / 5)
    points = np.random.default_rng(0).uniform((x_low, y_low), (x_high, y_high), (5, 2))
    value = function
    try:
        found = _tried(value, points)
        if found is None:  # it takes numbers, and not arrays
            value = np.vectorize(function, otypes=[float])
            found = _tried(value, points)
    except Exception as error:
        raise UserError(f"{spec}({middle[0]:g}, {middle[1]:g}): {_said(error)}") from error
    if found is None or not np.isfinite(found).any():
        raise UserError(f"{spec} must give a number, as `{_FORM}` does")
    made = Surface(name, name, function if value is function else value, window, start)
    return replace(made, minima=minima_in(made))


def _tried(function: object, points: np.ndarray) -> np.ndarray | None:
    """Its values at some points, or None if it takes no arrays."""
    assert callable(function)
    with np.errstate(all="ignore"):
        one = function(float(points[0, 0]), float(points[0, 1]))
        if not isinstance(one, float | int | np.number | np.ndarray) or np.ndim(one) != 0:
            raise TypeError(f"must give a number, as `{_FORM}` does, got {one!r}")
        try:
            several = np.asarray(function(points[:, 0], points[:, 1]), float)
        except (TypeError, ValueError):
            return None
    return np.broadcast_to(several, len(points)) if several.shape in ((), (len(points),)) else None


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
