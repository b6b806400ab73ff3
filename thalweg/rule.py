"""What a rule or a stage declares: settings, switches, states, measures, scalars and `update`.

A declaration is checked the moment its class body ends; `thalweg.chain` joins declarations.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from thalweg import advice
from thalweg.declaration import (
    SCALARS_TAKE,
    STREAMS,
    SWITCHES_TAKE,
    Declaration,
    Measure,
    measure,
    needs,
    scalar_state,
    setting,
    starting,
    state,
    switch,
)
from thalweg.settings import Setting
from thalweg.source import Source, unknown

__all__ = [
    "Rule",
    "Stage",
    "measure",
    "needs",
    "scalar_state",
    "setting",
    "state",
    "switch",
]


class Declared:
    """What `Rule` and `Stage` share: collecting and checking a class body."""

    declaration: ClassVar[Declaration] = Declaration()
    source: ClassVar[Source | None] = None
    spares: ClassVar[tuple[str, ...]] = ()
    """The settings that are zero for a parameter which a decay filter spares."""

    @staticmethod
    def scalars(h: Any) -> dict[str, float]:
        """Per step and per group: host numbers in double, from (h, t, first) and scalar states.

        Arithmetic and `thalweg.elementwise` only: under autograd a setting may be a tensor.
        """
        return {}

    @staticmethod
    def rests(h: Any) -> bool:
        """Whether a row without a gradient stays as it is, states and all: then a sparse gradient
        touches its own rows only."""
        return False

    @staticmethod
    def check(h: Any) -> None:
        """Raise ValueError when settings that are each in range do not fit together."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if Declared in cls.__bases__:  # Rule and Stage themselves
            return
        cls.declaration = _collect(cls)
        if "update" not in cls.__dict__ and cls.source is None:
            raise TypeError(f"{cls.__name__} declares no update(p, g, ...)")
        _check_scalars(cls)
        known = _names_of(cls)
        declared, above = cls.declaration.measures, dict[str, Measure]()
        cls.source = Source.of(cls.update, f"{cls.__name__}.update")  # type: ignore[attr-defined]
        local = cls.source.assigned
        for name, m in declared.items():  # one measure may use those above it
            seen = [n for n in known if n not in declared or n in above]
            above[name] = _check_measure(cls, name, m, seen, above, local - set(known))
        cls.declaration.measures = above
        uniform = {*cls.declaration.static, *cls.declaration.numbers}
        uniform |= {n for n, m in cls.declaration.measures.items() if m.scope != "row"}
        cls.source.check(
            known,
            uniform,
            writable=[*STREAMS, *cls.declaration.states],
            advice=lambda name: advice.for_name(cls, name, known, set()),
        )
        _check_returns(cls, cls.source)
        _check_states_used(cls, cls.source)


class Rule(Declared):
    """One optimizer, as the lines of its paper: subclass it and declare."""

    signature: ClassVar[str] = ""
    """The constructor's settings in order, "lr, betas, *, amsgrad"; left out, it is all of them."""
    aliases: ClassVar[Mapping[str, str]] = {}
    """Other names of settings."""
    decay: ClassVar[str | None] = None
    """The weight decay its optimizer has: "coupled" (L2, through the gradient), "decoupled",
    "either" as `decoupled_weight_decay` says, or none."""
    torch_flags: ClassVar[str] = ""
    """The flags that torch's constructor takes by position, behind the settings."""
    takes_sparse: ClassVar[bool] = False
    """Whether gradients may be sparse; a missing row is one of zeros, or `rests`."""
    rows_only: ClassVar[bool] = False
    """Whether rows that a sparse gradient lacks must rest, so that no stage may move them."""
    starts_at_construction: ClassVar[bool] = False
    """Whether torch makes this one's states with the optimizer and not at the first step."""
    counts_steps: ClassVar[bool] = False
    """Whether torch keeps a step count that no formula asks for."""
    counts_in_int: ClassVar[bool] = False
    """Whether torch keeps the step count as a Python int and not as a tensor."""


class Stage(Declared):
    """One piece around a rule, in the same pass: it may change g before the rule or p after it."""


def _collect(cls: type[Declared]) -> Declaration:
    found = Declaration()
    for base in reversed(cls.__mro__):
        if base in (object, Declared, Rule, Stage):
            continue
        for name, value in list(vars(base).items()):
            if name.startswith("_"):
                continue
            annotation = vars(base).get("__annotations__", {}).get(name)
            annotated = annotation is not None and "ClassVar" not in str(annotation)
            said = advice.for_attribute(name, value, name in found.settings, annotated)
            if said:
                raise TypeError(f"{cls.__name__}.{name} = {value!r}: {said}")
            if annotated and isinstance(value, bool | int | float | tuple):
                value = Setting(value)
            if isinstance(value, Setting):
                if type(value.default) is int and annotation in (float, "float"):
                    value = replace(value, default=float(value.default))
                value.check(f"{cls.__name__}.{name}: its default", value.default)
            if found.take(name, value) and name in STREAMS:
                raise TypeError(f"{cls.__name__}: {name!r} is the name of a stream; choose another")
    for made in found.switches.values():
        for name in made.takes:
            if name not in SWITCHES_TAKE and name not in found.scalar_states:
                allowed = [*SWITCHES_TAKE, *found.scalar_states]
                raise TypeError(f"switch {made.function.__name__}: {unknown(name, allowed)}")
    for name, s in found.states.items():
        if s.when is not None and s.when not in found.static:
            raise TypeError(
                f"{cls.__name__}.{name}: when= names a switch; {unknown(s.when, found.static)}"
            )
        when = found.switches.get(s.when or "")
        if when and when.takes != ("h",):
            raise TypeError(
                f"{cls.__name__}.{name}: when={s.when!r} must depend on the settings alone, "
                f"not on {', '.join(when.takes)}"
            )
    return found


def _check_scalars(cls: type[Declared]) -> None:
    """Run `scalars` once with the defaults, to learn the names it gives."""
    found = cls.declaration
    takes = tuple(inspect.signature(cls.scalars).parameters)
    for name in takes:
        if name not in SCALARS_TAKE and name not in found.scalar_states:
            allowed = [*SCALARS_TAKE, *found.scalar_states]
            raise TypeError(f"{cls.__name__}.scalars: {advice.for_scalar(found, name, allowed)}")
    given = {"h": found.examples(), "t": 1, "first": True}
    given |= {name: starting(s, given["h"]) for name, s in found.scalar_states.items()}
    values = _tried(cls, cls.scalars, {name: given[name] for name in takes})
    if not isinstance(values, dict):
        raise TypeError(
            f"{cls.__name__}.scalars must return a dict of numbers, such as `dict(step=h.lr)`, "
            f"got {values!r}"
        )
    for name in found.scalar_states:
        if name not in values:
            raise TypeError(f"{cls.__name__}.scalars must return the scalar state {name!r}")
    kinds = {"stream": STREAMS, "state": found.states, "measure": found.measures}
    for kind, names in {**kinds, "switch": found.static}.items():
        for name in values.keys() & set(names):
            raise TypeError(
                f"{cls.__name__}.scalars returns {name!r}, which is a {kind}; "
                f"return the number under another name"
            )
    found.scalars_take, found.scalar_names = takes, tuple(values)


def _tried(cls: type[Declared], function: Callable[..., Any], given: dict[str, Any]) -> Any:
    """What a function returns, which may ask h for a setting that there is not."""
    try:
        return function(**given)
    except AttributeError as error:
        if error.obj is not given.get("h"):
            raise
        known = [*cls.declaration.settings, *cls.declaration.needs]
        said = advice.for_name(cls, error.name or "", known, set())
        raise TypeError(
            f"{cls.__name__}.{function.__name__} asks for h.{error.name}: {said}"
        ) from None


def _names_of(cls: type[Declared]) -> list[str]:
    d = cls.declaration
    return list(dict.fromkeys([*STREAMS, *d.states, *d.measures, *d.static, *d.numbers]))


def _check_states_used(cls: type[Declared], source: Source) -> None:
    for name in cls.declaration.states:
        if name not in source.arguments:
            raise TypeError(f"{cls.__name__}: update neither takes nor returns the state {name!r}")


def _check_measure(
    cls: type[Declared],
    name: str,
    m: Measure,
    known: list[str],
    above: dict[str, Measure],
    local: set[str],
) -> Measure:
    source = Source.of(m.function, f"{cls.__name__}.{name}")
    uniform = {*cls.declaration.static, *cls.declaration.numbers}
    uniform |= {n for n, other in above.items() if other.scope != "row"}
    source.check(
        known,
        uniform,
        writable=[],
        advice=lambda argument: advice.for_name(cls, argument, known, local),
    )
    return Measure(m.scope, m.reduction, m.function, source)


def _check_returns(cls: type[Declared], source: Source) -> None:
    must = [name for name in source.arguments if name in cls.declaration.states]
    if issubclass(cls, Rule):
        must.insert(0, "p")
    else:  # a stage that changes g or p and does not return it would change nothing
        must += [name for name in STREAMS if name in source.assigned]
    for name in must:
        if name not in source.returned:
            close = difflib.get_close_matches(name, source.returned, 1)
            hint = f", did you mean it by {close[0]!r}?" if close else ""
            raise source.error(source.return_line, f"{name!r} is never returned{hint}")
    for name in source.returned:
        if name not in source.arguments:
            raise source.error(source.return_line, f"returns {name!r}, which it does not take")
        if name not in (*STREAMS, *cls.declaration.states):
            raise source.error(
                source.return_line, f"returns {name!r}, which is neither a stream nor a state"
            )
