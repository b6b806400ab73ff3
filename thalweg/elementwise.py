"""The functions an `update` may call: the same names on numbers, NumPy arrays and torch tensors.

An engine that compiles an `update` replaces each of them with its own; run as written they
dispatch on their arguments. A border adds its framework with `register`.
"""

from __future__ import annotations

import numbers
import operator
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

__all__ = [
    "Measured",
    "abs",
    "atan2",
    "cbrt",
    "cos",
    "double",
    "exp",
    "floor",
    "lerp",
    "log",
    "maximum",
    "minimum",
    "register",
    "sign",
    "sqrt",
    "tanh",
    "where",
]


class Measured(float):
    """A number that was measured, in a text run as written: divided by zero it is infinite or NaN,
    as in a kernel, where Python's own would raise. What is worked out of one is one as well; arrays
    meet a plain float."""

    __array_ufunc__ = None  # an array leaves its arithmetic with one to this class


def _operator(name: str) -> Callable[..., Any]:
    of_doubles, of_any = getattr(np.float64, name), getattr(operator, name.replace("__r", "__"))
    is_reflected = name.startswith("__r")

    def apply(*values: Any) -> Any:
        # a NumPy scalar is an array without axes
        if all(isinstance(v, int | float) and not isinstance(v, np.generic) for v in values):
            with np.errstate(all="ignore"):
                result = of_doubles(*map(np.float64, values))
            return bool(result) if isinstance(result, np.bool_) else Measured(result)
        plain = [float(values[0]), *values[1:]]
        return of_any(*reversed(plain) if is_reflected else plain)

    return apply


_ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow")
_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
for _name in (*_ARITHMETIC, *(f"r{one}" for one in _ARITHMETIC), *_COMPARISONS, "neg"):
    setattr(Measured, f"__{_name}__", _operator(f"__{_name}__"))


def _on_numbers(function: Callable[..., Any]) -> Callable[..., float]:
    """Return a Python float: a NumPy double would widen every float32 array it meets."""

    def apply(*values: float) -> float:
        with np.errstate(all="ignore"):
            found = function(*map(float, values))  # NumPy knows no large whole numbers
            return Measured(found) if Measured in map(type, values) else float(found)

    return apply


PRIMITIVES = ("sqrt", "cbrt", "exp", "log", "abs", "sign", "maximum", "minimum", "atan2", "where")
COMPOSITES = ("lerp",)  # of primitives and arithmetic: one expression, which a plan writes out
FUNCTIONS = ("tanh", "floor", "cos")  # as one of a rule's own would be

# how many arguments each takes
ARITY = dict.fromkeys(("sqrt", "cbrt", "exp", "log", "abs", "sign"), 1)
ARITY |= {"maximum": 2, "minimum": 2, "atan2": 2, "where": 3, "lerp": 3}

_of_numpy = {name: getattr(np, {"atan2": "arctan2"}.get(name, name)) for name in PRIMITIVES}
_numpy = SimpleNamespace(**_of_numpy, double=np.float64)
_number = SimpleNamespace(
    **{name: _on_numbers(function) for name, function in _of_numpy.items()}, double=float
)
_namespaces: list[tuple[type, Any]] = [(np.ndarray, _numpy), (np.generic, _numpy)]


def register(kind: type, namespace: Any) -> None:
    """Teach the functions a framework's array type.

    `namespace` has an attribute per primitive, and `double`, which widens an array.
    """
    missing = [name for name in (*PRIMITIVES, "double") if not hasattr(namespace, name)]
    if missing:
        raise TypeError(f"register: the namespace of {kind.__name__} lacks {', '.join(missing)}")
    _namespaces.append((kind, namespace))
    _of_type.clear()


# of each type that was met, its namespace: asked anew, whether a type is one of numbers takes
# longer than to look at one
_of_type: dict[type, Any] = {}


def _namespace_of(values: tuple[Any, ...]) -> Any:
    for value in values:
        kind = type(value)
        if kind not in _of_type:
            _of_type[kind] = _namespace_for(value)
        if _of_type[kind] is not _number:
            return _of_type[kind]
    return _number


def _namespace_for(value: Any) -> Any:
    if isinstance(value, numbers.Number) and not isinstance(value, np.generic):
        return _number
    for known, namespace in _namespaces:
        if isinstance(value, known):  # what JAX traces says so of itself, and no class of it
            return namespace
    raise TypeError(f"elementwise functions take numbers and arrays, got {type(value).__name__}")


def _primitive(name: str, doc: str) -> Callable[..., Any]:
    def function(*values: Any) -> Any:
        namespace = _namespace_of(values)
        if namespace is not _number and Measured in map(type, values):
            values = tuple(float(v) if type(v) is Measured else v for v in values)
        return getattr(namespace, name)(*values)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


sqrt = _primitive("sqrt", "Square root; NaN below zero.")
cbrt = _primitive("cbrt", "Cube root, of negative numbers too.")
exp = _primitive("exp", "Exponential.")
log = _primitive("log", "Natural logarithm; -inf at zero, NaN below.")
abs = _primitive("abs", "Absolute value.")
sign = _primitive("sign", "-1, 0 or 1; NaN stays NaN.")
maximum = _primitive("maximum", "The larger of two; NaN if either is.")
minimum = _primitive("minimum", "The smaller of two; NaN if either is.")
atan2 = _primitive(
    "atan2", "`atan2(y, x)`: the angle at which (x, y) lies, from -pi to pi; 0 at (0, 0)."
)
where = _primitive("where", "`where(c, a, b)`: a where c holds, b elsewhere, element by element.")


def double(x: Any) -> Any:
    """The same array in double precision: for engines that reduce it, not for an `update`."""
    return _namespace_of((x,)).double(x)


def lerp(a: Any, b: Any, w: Any) -> Any:
    """The moving average of a towards b: `a + w (b - a)`, with torch's rounding and torch's NaN.

    From w = 0.5 on it is `b - (1 - w) (b - a)`, as in torch: nothing of a small b is lost to a
    large a that is nearly forgotten. Written as `(1 - w) a + w b` an infinite average would stay
    infinite; in torch, and so here, it is NaN from the next step on.
    """
    return where(abs(w) < 0.5, a, b) + where(abs(w) < 0.5, w, w - 1) * (b - a)


# The functions: written in the words above, so that every engine has them.

_WHOLE = 2.0**52  # from here on every double is a whole number
# a full turn, 2 pi, in two parts: counts of turns times the first are exact
_MOST_OF_TURN = 6.28125
_REST_OF_TURN = 0.0019353071795864769


def floor(x: Any) -> Any:
    """The largest whole number that is not above x."""
    return where(abs(x) < _WHOLE, x // 1, x)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    size = abs(x)
    small = minimum(size, 0.5)
    q = small * small
    third = 1 + q / 72 * (1 + q / 110 * (1 + q / 156 * (1 + q / 210)))
    sinh = small * (1 + q / 6 * (1 + q / 20 * (1 + q / 42 * third)))
    near = sinh / sqrt(1 + sinh * sinh)
    far = 1 - 2 / (exp(2 * minimum(size, 20.0)) + 1)
    return sign(x) * where(size < 0.5, near, far)


def cos(x: Any) -> Any:
    """Cosine of an angle of some thousand turns at most, to five roundings of 1; NaN of what is not
    finite."""
    turns = (x / (_MOST_OF_TURN + _REST_OF_TURN) + 0.5) // 1
    half = 0.5 * (x - turns * _MOST_OF_TURN - turns * _REST_OF_TURN)
    q = half * half
    eighth = 1 - q / 272 * (1 - q / 342 * (1 - q / 420))
    fifth = 1 - q / 110 * (1 - q / 156 * (1 - q / 210 * eighth))
    sine = half * (1 - q / 6 * (1 - q / 20 * (1 - q / 42 * (1 - q / 72 * fifth))))
    return 1 - 2 * sine * sine
