"""The words of a declaration, from settings to measures, and how a class collects them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from thalweg.settings import Setting
from thalweg.source import Source, unknown

__all__ = [
    "SCALARS_TAKE",
    "STREAMS",
    "SWITCHES_TAKE",
    "Declaration",
    "Measure",
    "Need",
    "ScalarState",
    "State",
    "Switch",
    "measure",
    "needs",
    "scalar_state",
    "setting",
    "starting",
    "state",
    "switch",
]

STREAMS = ("p", "g")
SCALARS_TAKE = ("h", "t", "first")
SWITCHES_TAKE = ("h", "t", "shape")
SCOPES = ("row", "tensor", "all")
REDUCTIONS = ("sum", "mean", "norm")


@dataclass(frozen=True)
class State:
    """One array kept per parameter, under torch's `key`."""

    key: str
    start: Any = 0.0
    when: str | None = None


@dataclass(frozen=True)
class ScalarState:
    """One number kept per parameter, under torch's `key`, carried on by `scalars`."""

    key: str
    start: Any = 0.0


@dataclass(frozen=True)
class Switch:
    """A truth value computed from the settings, the step or the shape before a plan is chosen."""

    function: Callable[..., bool]
    takes: tuple[str, ...]


@dataclass(frozen=True)
class Measure:
    """One reduction that must be known before `update` can run."""

    scope: str
    reduction: str
    function: Callable[..., Any]
    source: Source | None = None


@dataclass(frozen=True)
class Need:
    """A setting that another part of the chain declares."""

    example: Any


def setting(
    default: Any,
    *,
    low: Any = None,
    high: Any = None,
    above: Any = None,
    below: Any = None,
    choices: Iterable[str] = (),
) -> Any:
    """Declare a hyper-parameter; `low` and `high` are included in the range, `above` and `below`
    are not. The default's type is the kind: float, int, a tuple of floats, bool or, with `choices`,
    str. The bounds of a tuple are those of each number, or tuples themselves."""
    return Setting(default, low, high, above, below, tuple(choices))


def state(key: str, *, start: Any = 0.0, when: str | None = None) -> Any:
    """Declare an array of the parameter's shape, kept from step to step.

    It starts as a number, as a copy of the parameter (`start="p"`) or as a function of the
    settings (`start=lambda h: h.lr`); `when` names the switch without which it does not exist.
    """
    return State(key, start, when)


def scalar_state(key: str, *, start: Any = 0.0) -> Any:
    """Declare a number kept per parameter, which `scalars` takes by name and returns anew.

    It starts as a number or as a function of the settings (`start=lambda h: h.lr`).
    """
    return ScalarState(key, start)


def needs(example: Any) -> Any:
    """Declare that another part of the chain has a setting of this name; `example` is a value to
    check the declaration with."""
    return Need(example)


def switch(function: Callable[..., bool]) -> Any:
    """Declare a truth value `update` may branch on, from any of (h, t, shape) and the scalar
    states, by name."""
    return Switch(function, tuple(inspect.signature(function).parameters))


def measure(scope: str, reduction: str) -> Callable[[Callable[..., Any]], Any]:
    """Declare a reduction of a per-element expression: `@measure("row", "mean")` over a function
    `def name(g): return g`.

    Scopes: "row" (one index of axis 0), "tensor", "all" (every tensor of the optimizer).
    Reductions: "sum", "mean", "norm" (the square root of the sum of squares).
    """
    if scope not in SCOPES:
        raise TypeError(f"measure: {unknown(scope, SCOPES)}")
    if reduction not in REDUCTIONS:
        raise TypeError(f"measure: {unknown(reduction, REDUCTIONS)}")
    return lambda function: Measure(scope, reduction, function)


def starting(declared: State | ScalarState, h: Any) -> Any:
    """What a state starts as under these settings."""
    return declared.start(h) if callable(declared.start) else declared.start


@dataclass
class Declaration:
    """Everything one rule or stage declares, by the names its `update` uses."""

    settings: dict[str, Setting] = field(default_factory=dict)
    needs: dict[str, Need] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    scalar_states: dict[str, ScalarState] = field(default_factory=dict)
    switches: dict[str, Switch] = field(default_factory=dict)
    measures: dict[str, Measure] = field(default_factory=dict)
    scalars_take: tuple[str, ...] = ()
    scalar_names: tuple[str, ...] = ()

    def take(self, name: str, value: Any) -> bool:
        """File one class attribute under its kind; False if it declares nothing."""
        kinds: tuple[tuple[type, dict[str, Any]], ...] = (
            (Setting, self.settings),
            (Need, self.needs),
            (State, self.states),
            (ScalarState, self.scalar_states),
            (Switch, self.switches),
            (Measure, self.measures),
        )
        for kind, table in kinds:
            if isinstance(value, kind):
                table[name] = value
                return True
        return False

    @property
    def static(self) -> list[str]:
        """The names that are constants of a plan: bool and str settings, and switches."""
        return [n for n, s in self.settings.items() if s.is_switch] + list(self.switches)

    @property
    def numbers(self) -> list[str]:
        """The names that are one double per tensor: plain settings and what `scalars` returns."""
        plain = [
            n
            for n, s in self.settings.items()
            if isinstance(s.default, int | float) and not s.is_switch
        ]
        plain += [n for n, s in self.needs.items() if isinstance(s.example, int | float)]
        return list(dict.fromkeys([*plain, *self.scalar_names]))

    def examples(self) -> SimpleNamespace:
        """Settings to try a declaration with: the defaults, and an example of what it needs."""
        values = {n: s.default for n, s in self.settings.items()}
        return SimpleNamespace(**values, **{n: s.example for n, s in self.needs.items()})
