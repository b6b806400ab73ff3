"""One hyper-parameter: its default, its range, and what is said of a value outside it."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from thalweg.number import as_float

__all__ = ["Setting", "as_double", "as_held", "with_precision"]


_PRECISION = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}


@dataclass(frozen=True)
class Setting:
    """One hyper-parameter: its default decides its kind, its bounds decide what is accepted.

    Of several numbers, a bound is that of each, or a tuple with one for each (None: no bound). One
    of them that is None by default may be: it is the precision of the parameter's type.
    """

    default: Any
    low: Any = None
    high: Any = None
    above: Any = None
    below: Any = None
    choices: tuple[str | None, ...] = ()  # None, where it may be one, is the default

    def element(self, i: int) -> Setting:
        """Number `i` of several, as a setting of its own."""
        return self._elements[i]

    @functools.cached_property
    def _elements(self) -> list[Setting]:
        bounds = {name: getattr(self, name) for name in ("low", "high", "above", "below")}
        several = {name: bound for name, bound in bounds.items() if isinstance(bound, tuple)}
        return [
            replace(self, default=default, **{name: bound[i] for name, bound in several.items()})
            for i, default in enumerate(self.default)
        ]

    @property
    def is_by_type(self) -> bool:
        """Whether a number of it may be the precision of the parameter's type."""
        return isinstance(self.default, tuple) and None in self.default

    @property
    def is_switch(self) -> bool:
        """A truth value or a choice: fixed when a plan is built."""
        return isinstance(self.default, bool | str)

    @property
    def range(self) -> str:
        """The accepted values, in words."""
        if self.choices:
            return "one of " + ", ".join(map(repr, self.choices))
        bounds = [
            f"{sign} {bound:g}"
            for sign, bound in (
                (">=", self.low),
                (">", self.above),
                ("<=", self.high),
                ("<", self.below),
            )
            if bound is not None
        ]
        kind = "an integer" if isinstance(self.default, int) else "a number"
        return " and ".join(bounds) if bounds else kind

    @property
    def accepted(self) -> str:
        """The accepted values of all its numbers, in words."""
        if isinstance(self.default, bool):
            return "True or False"
        if not isinstance(self.default, tuple):
            return self.range
        each = [self.element(i).range for i in range(len(self.default))]
        return f"each {each[0]}" if len(set(each)) == 1 else ", ".join(each)

    def accepts(self, number: float) -> bool:
        """Whether one number is inside the bounds; NaN never is, as in torch."""
        return (
            not math.isnan(number)
            and (self.low is None or number >= self.low)
            and (self.high is None or number <= self.high)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )

    def check(self, where: str, value: Any) -> None:
        """Raise TypeError for the wrong kind and ValueError for a value out of range."""
        if isinstance(self.default, bool):
            if isinstance(value, int | float) and value not in (0, 1):
                raise TypeError(f"{where} must be True or False, got {value!r}")
            return
        if self.choices:
            if value not in self.choices:
                raise ValueError(f"{where} must be {self.range}, got {value!r}")
        elif isinstance(self.default, tuple):
            self._check_tuple(where, value)
        else:
            self._check_number(where, value)

    def _check_tuple(self, where: str, value: Any) -> None:
        size = len(self.default)
        if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != size:
            raise TypeError(f"{where} must be {size} numbers, got {value!r}")
        for i, number in enumerate(value):
            self.element(i)._check_number(f"{where}[{i}]", number)

    def _check_number(self, where: str, value: Any) -> None:
        if value is None and self.default is None:
            return
        try:
            number = as_float(value)
        except TypeError:
            raise TypeError(f"{where} must be a number, got {value!r}") from None
        except OverflowError:  # an integer that no double can hold
            raise ValueError(f"{where} must be {self.range}, got {value!r}") from None
        if isinstance(self.default, int) and not math.isnan(number) and number % 1 != 0:
            raise TypeError(f"{where} must be an integer, got {value!r}")
        if not self.accepts(number):
            raise ValueError(f"{where} must be {self.range}, got {value!r}")


def as_held(value: Any, default: Any) -> Any:
    """A setting as Python numbers: groups may hold tensors, and lists where torch has tuples."""
    if isinstance(default, tuple):
        return tuple(None if one is None else _float(one) for one in value)
    if isinstance(default, str):
        return default if value is None else value
    if isinstance(default, bool):
        return bool(value)
    if not isinstance(default, int):
        return _float(value)
    number = value if type(value) is int else _float(value)
    return int(number) if number % 1 == 0 else number  # a half is refused by name


def with_precision(numbers: Sequence[Any], type: str = "float32") -> tuple[Any, ...]:
    """Several numbers, in place of None the precision of a type: from 1 to its next number."""
    return tuple(_PRECISION.get(type, 0.0) if one is None else one for one in numbers)


def _float(value: Any) -> float:
    """A number as a double; a tensor under autograd lets go of its history."""
    if type(value) is float:  # nearly always
        return value
    if isinstance(value, str | bytes):
        raise TypeError(f"{value!r} is no number")
    return float(value.detach() if hasattr(value, "detach") else value)


def as_double(value: Any) -> Any:
    """A double, unless it is a tensor under autograd."""
    return value if getattr(value, "requires_grad", False) else _float(value)
