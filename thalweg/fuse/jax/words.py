"""The words and operators of the language on JAX's arrays, and of what type their results are.

Numbers of the step are doubles where JAX has them (`jax_enable_x64`), singles where not. Elements
are of their parameter's computation type; where a number meets them, it is rounded to theirs.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from thalweg import elementwise

__all__ = [
    "OPERATORS",
    "REDUCTIONS",
    "WORDS",
    "alike",
    "applied",
    "conjunction",
    "finished",
    "is_array",
    "is_decided",
    "is_float",
    "number",
    "reduced",
    "smaller",
    "truth",
]


def _as_float(x: Any) -> Any:
    """A count as a number: JAX itself would make a single of it."""
    return x if is_float(x) else x.astype(float)


_root: Any = jax.custom_jvp(lambda x: jnp.sqrt(x))


def _root_and_change(values: Any, changes: Any) -> Any:
    """At 0 the derivative is taken as 0: what stays 0 has none, and infinity times 0 is NaN."""
    (x,), (change,) = values, changes
    root = _root(x)
    is_zero = root == 0
    return root, jnp.where(is_zero, 0.0, 0.5 / jnp.where(is_zero, 1.0, root)) * change


_root.defjvp(_root_and_change)


_cube_root: Any = jax.custom_jvp(lambda x: jnp.cbrt(x))


def _cube_root_and_change(values: Any, changes: Any) -> Any:
    """The same of the cube root."""
    (x,), (change,) = values, changes
    root = _cube_root(x)
    is_zero = root == 0
    whole = jnp.where(is_zero, 1.0, root)
    return root, jnp.where(is_zero, 0.0, 1 / (3 * whole * whole)) * change


_cube_root.defjvp(_cube_root_and_change)


def _angle(y: Any, x: Any) -> Any:
    """At (0, 0) the derivative is taken as 0, as torch has it: there is none."""
    y, x = _as_float(jnp.asarray(y)), _as_float(jnp.asarray(x))
    is_zero = (y == 0) & (x == 0)
    there = jax.lax.stop_gradient(jnp.arctan2(y, x))
    return jnp.where(is_zero, there, jnp.arctan2(y, jnp.where(is_zero, 1.0, x)))


def _where(test: Any, one: Any, other: Any) -> Any:
    if is_array(test):
        return jnp.where(test, one, other)
    return one if test else other


# each word of the language on arrays; on Python's numbers it is that of `thalweg.elementwise`
WORDS: dict[str, Callable[..., Any]] = {
    "sqrt": lambda x: _root(_as_float(x)),
    "cbrt": lambda x: _cube_root(_as_float(x)),
    "exp": lambda x: jnp.exp(_as_float(x)),
    "log": lambda x: jnp.log(_as_float(x)),
    "abs": jnp.abs,
    "sign": jnp.sign,
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "atan2": _angle,
    "where": lambda test, one, other: _where(truth(test), one, other),
}

# how `reduced` adds up the elements, and what the sum is then, of so many
REDUCTIONS: dict[str, tuple[Callable[..., Any], Callable[[Any, Any], Any]]] = {
    "sum": (jnp.sum, lambda total, count: total),
    "mean": (jnp.sum, lambda total, count: total / count),
    "norm": (lambda x, **axes: jnp.sum(x * x, **axes), lambda total, count: _root(total)),
    "largest": (
        lambda x, **axes: jnp.max(x, initial=-math.inf, **axes),
        lambda total, count: total,
    ),
}


def _both(one: Any, other: Any) -> Any:
    return truth(one) & truth(other)


def _either(one: Any, other: Any) -> Any:
    return truth(one) | truth(other)


OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitAnd: _both,
    ast.BitOr: _either,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: lambda x: ~truth(x) if is_array(x) else not x,
    ast.Invert: lambda x: ~truth(x) if is_array(x) else not x,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_OF_TRUTHS = (ast.BitAnd, ast.BitOr, ast.Not, ast.Invert)
_OF_FLOATS = (ast.Mult, ast.Div, ast.Pow)

_MOST = 2**31 - 1  # of a 32-bit integer


def is_array(value: Any) -> bool:
    return isinstance(value, jax.Array)


def is_float(array: Any) -> bool:
    return bool(jnp.issubdtype(array.dtype, jnp.floating))


def is_decided(value: Any) -> bool:
    """Whether a value is known now, and not when the traced function runs."""
    return not isinstance(value, jax.core.Tracer)


def truth(value: Any) -> Any:
    """What is asked of a value by an `if`: not 0 is true, NaN too."""
    if not is_array(value):
        return bool(value)
    return value if value.dtype == jnp.bool_ else value != 0


def conjunction(tests: Sequence[Any]) -> Any:
    """Whether all of these hold, of which some are traced."""
    found: Any = True
    for test in tests:
        found = truth(test) & truth(found)
    return found


def number(value: Any) -> Any:
    """A number of the step: one of floating point in the widest type that JAX has."""
    if not is_array(value) or not is_float(value):
        return value
    return value.astype(float)


def smaller(types: Sequence[Any]) -> Any:
    """The type of what is computed from values of these: elements are never widened by a number."""
    floats = [one for one in types if jnp.issubdtype(one, jnp.floating)]
    return min(floats, key=lambda one: one.itemsize) if floats else jnp.result_type(*types)


def alike(values: Sequence[Any]) -> list[Any]:
    """The same values, numbers rounded to the type of the elements that they meet."""
    floats = [value.dtype for value in values if is_array(value) and is_float(value)]
    if len(set(floats)) < 2:
        return list(values)
    narrow = smaller(floats)
    return [one.astype(narrow) if is_array(one) and is_float(one) else one for one in values]


def applied(what: str | type[ast.AST], values: Sequence[Any]) -> Any:
    """A word or an operator on values; those of Python alone are Python's, and may raise."""
    if not any(map(is_array, values)):
        return (getattr(elementwise, what) if isinstance(what, str) else OPERATORS[what])(*values)
    if isinstance(what, str):
        return WORDS[what](*alike(values))
    if not issubclass(what, _OF_TRUTHS):
        values = [_counted(value, issubclass(what, _OF_FLOATS)) for value in values]
    return OPERATORS[what](*alike(values))


def _counted(value: Any, as_float: bool) -> Any:
    """A truth as a number; a whole number as a float where it, or what comes of it, may not fit."""
    if not is_array(value):
        return float(value) if isinstance(value, int) and abs(value) > _MOST else value
    if as_float:
        return _as_float(value)
    return value.astype(int) if value.dtype == jnp.bool_ else value


def reduced(kind: str, x: Any, axes: Sequence[int], keepdims: bool = False) -> Any:
    """What elements add up to along these axes, in the type of numbers."""
    adding = REDUCTIONS[kind][0]
    return adding(x.astype(float), axis=tuple(axes), keepdims=keepdims)


def finished(kind: str, total: Any, count: Any) -> Any:
    """The reduction of `count` elements, from what they add up to."""
    return REDUCTIONS[kind][1](total, count)
