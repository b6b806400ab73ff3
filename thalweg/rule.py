"""What a rule or a stage declares: settings, states, and `update`, the lines of its paper.

A declaration is checked the moment its class body ends, but for those of this package, whose texts
are read when they are first asked for; `thalweg.chain` joins declarations.
"""

from __future__ import annotations

import functools
import inspect
import numbers
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from thalweg import advice
from thalweg.deciding import GIVEN, Decide, decider
from thalweg.declaration import Declaration, State, setting, state
from thalweg.levels import read
from thalweg.settings import Setting
from thalweg.source import Source, unknown
from thalweg.text import OF_SHAPE, STREAMS, Level, Text, level_per

__all__ = ["Rule", "Stage", "setting", "state"]

# of every constructor: no setting can have these names
_ARGUMENTS = ("self", "params")
# where classes are read when they are asked for: a program that uses one reads no other
_OWN = f"{__package__}."


class _Later:
    """What is known of a class once its text has been read."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, _: Any, cls: type[Declared]) -> Any:
        _complete(cls)
        return getattr(cls, self._name)


class Declared:
    """What `Rule` and `Stage` share: collecting and checking a class body."""

    declaration: ClassVar[Declaration] = Declaration()
    text: ClassVar[Text]
    decide: ClassVar[Decide]
    """The lines on numbers of `update` as a function, as `thalweg.deciding` says."""
    spares: ClassVar[tuple[str, ...]] = ()
    """The settings that are zero for a parameter which a decay filter spares."""

    alike: ClassVar[tuple[str, ...]] = ()
    """The settings that are the same in all groups, or 0: what is one for all tensors needs it."""

    keeps_singles: ClassVar[bool] = False
    """Whether the numbers that it keeps are of single precision, as torch's are."""

    evaluate: ClassVar[Callable[..., Any] | None] = None
    """A function of p, states and settings: the weights to look at, where they are not p."""

    meanings: ClassVar[Mapping[str, str]] = {}
    """What its settings mean, for `help`: those that `thalweg.meanings` lacks or says otherwise."""

    takes: ClassVar[Callable[..., bool] | None] = None
    """A function of ndim, rows, columns and settings: whether it can step a tensor of this
    shape."""

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
        if not hasattr(cls, "update"):
            raise TypeError(f"{cls.__name__} declares no update(p, g, ...)")
        if not inspect.isroutine(cls.update):
            raise TypeError(
                f"{cls.__name__}.update must be a function, `@staticmethod` above its `def`, "
                f"got {cls.update!r}"
            )
        cls.declaration.read = functools.partial(_complete, cls)
        if cls.__module__.startswith(_OWN):
            for name in ("text", "decide"):
                setattr(cls, name, _Later(name))
        else:
            _complete(cls)


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
    is_stack: ClassVar[bool] = False
    """Whether a parameter of more than two axes is a stack of matrices, of its last two: a row then
    has the index of all axes but the last. Else it is one matrix, rows by all the rest."""
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


def _complete(cls: type[Declared]) -> None:
    """Read and check the text of `update`."""
    cls.text = _read(cls)
    _check_streams(cls)
    _check_states(cls)
    _check_evaluate(cls)
    _check_takes(cls)
    d, title = cls.declaration, f"{cls.__name__}.update"
    decide = decider(cls.text, [*d.settings, *d.needs], list(d.cells), title)
    cls.decide = staticmethod(decide)


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
                shown = value.default if isinstance(value, Setting) else value
                raise TypeError(f"{cls.__name__}.{name} = {shown!r}: {said}")
            if annotated and isinstance(value, bool | int | float | tuple):
                value = Setting(value)
            elif annotated and isinstance(value, numbers.Real):  # NumPy's
                value = Setting(float(value))
            if isinstance(value, Setting):
                if type(value.default) is int and annotation in (float, "float"):
                    value = replace(value, default=float(value.default))
                value.check(f"{cls.__name__}.{name}: its default", value.default)
            if isinstance(value, State) and getattr(cls, "is_stack", False):
                value = replace(value, is_stack=True)
            if found.take(name, value) and name in (*STREAMS, *GIVEN, *_ARGUMENTS):
                kind = "a stream" if name in STREAMS else "what every text may take"
                kind = "an argument of every optimizer" if name in _ARGUMENTS else kind
                raise TypeError(f"{cls.__name__}: {name!r} is the name of {kind}; choose another")
    for name, one in found.states.items():
        _check_start(cls, name, one, found)
    return found


def _check_start(cls: type[Declared], name: str, one: State, found: Declaration) -> None:
    where, start = f"{cls.__name__}.{name}", one.start
    if isinstance(start, numbers.Real) or (isinstance(start, str) and start == "p"):
        return
    if not isinstance(start, str):
        got = "a function" if callable(start) else repr(start)
        raise TypeError(f'{where}: start must be a number, the name of a setting or "p", got {got}')
    if start not in found.settings:
        raise TypeError(f"{where}: start names a setting; {unknown(start, [*found.settings, 'p'])}")
    default = found.settings[start].default
    if not isinstance(default, numbers.Real):
        raise TypeError(f"{where}: start={start!r} is not one number, but {default!r}")


def _read(cls: type[Declared]) -> Text:
    """The text of `update`, with every name it takes filed."""
    d = cls.declaration
    source = Source.of(cls.update, f"{cls.__name__}.update")  # type: ignore[attr-defined]
    levels = {
        **dict.fromkeys(STREAMS, Level.ELEMENT),
        **dict.fromkeys([*GIVEN, *d.settings, *d.cells], Level.STEP),
        **{name: level_per(one.per) for name, one in d.arrays.items()},
    }
    d.needs = []
    if issubclass(cls, Stage):  # settings of the rule, which the chain looks up
        d.needs = [n for n in source.arguments if n not in levels and advice.may_be_needed(cls, n)]
        levels |= dict.fromkeys(d.needs, Level.STEP)
    for name in ("rows", "columns"):
        if getattr(cls, "is_stack", False) and name in source.arguments:
            raise source.error(
                source.arguments[name], f"{name!r} is told of a matrix, and this is of stacks"
            )
    per = {name: one.per for name, one in d.states.items()}
    known = [n for n in levels if n not in GIVEN]
    say = functools.partial(advice.for_name, cls, known=known)
    return read(source, levels, per, d.settings, say)


def _check_streams(cls: type[Declared]) -> None:
    """A rule moves p, or says by u how p is to move; a stage passes on what it changes."""
    source = cls.text.source
    returned, line = source.returned, source.return_line
    if issubclass(cls, Rule) and not {"p", "u"} & {*returned}:
        raise source.error(line, "must return the step u, which is subtracted from p, or p")
    for name in STREAMS:
        lost = issubclass(cls, Stage) and name in source.arguments and name not in returned
        if lost and name in source.assigned:
            raise source.error(line, f"{name!r} is never returned")


def _check_states(cls: type[Declared]) -> None:
    owners: dict[str, str] = {}
    for name, one in cls.declaration.states.items():
        if one.key in owners:
            raise TypeError(
                f"{cls.__name__}: the states {owners[one.key]!r} and {name!r} are both kept "
                f"under {one.key!r}; give each a key of its own"
            )
        owners[one.key] = name
    for name in cls.declaration.states:
        if name not in cls.text.source.arguments:
            raise TypeError(f"{cls.__name__}: update neither takes nor returns the state {name!r}")
    source = cls.text.source
    if "first" in source.arguments and not cls.declaration.arrays:
        raise source.error(
            source.arguments["first"],
            "'first' says whether the arrays of this part are new, and it keeps none; "
            "take t, which is then 1",
        )


def _check_evaluate(cls: type[Declared]) -> None:
    """Refuse an `evaluate` that asks for what there is not when a model is looked at."""
    if cls.evaluate is None:
        return
    source = Source.of(cls.evaluate, f"{cls.__name__}.evaluate")
    known = ["p", *cls.declaration.states, *cls.declaration.settings, *cls.declaration.needs]
    for name, line in source.arguments.items():
        if name not in known:
            raise source.error(line, unknown(name, known))


def _check_takes(cls: type[Declared]) -> None:
    """Refuse a `takes` that asks for what neither a shape nor a setting tells."""
    if cls.takes is None:
        return
    source = Source.of(cls.takes, f"{cls.__name__}.takes")
    known = [*OF_SHAPE, *cls.declaration.settings]
    for name, line in source.arguments.items():
        if name not in known:
            raise source.error(line, unknown(name, known))
