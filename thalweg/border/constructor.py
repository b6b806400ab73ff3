"""The `__init__` of a class made from a chain: its signature, its aliases, its error messages."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from thalweg.chain import Chain
from thalweg.either import OTHERS
from thalweg.optimizers import AUTHORS_ORDER
from thalweg.settings import Setting
from thalweg.source import unknown

__all__ = ["by_keyword", "constructor"]


def constructor(
    made: Chain,
    extras: Mapping[str, Any],
    by_position: Sequence[str],
    start: Callable[..., None],
    types: Mapping[str, Any],
    has_others: bool = False,
) -> Callable[..., None]:
    """An `__init__` with the chain's signature, for `help`, editors and error messages.

    `extras` are a border's own arguments with their defaults; those in `by_position` follow the
    chain's positional ones, the others are keyword-only. It ends in `start(self, **settings)`.
    A chain that not every tensor suits takes `others`, an optimizer for the rest, and settings of
    it as `others_lr`; `has_others` says that these are in the chain already.
    `types` are those of `params`, of a `number` and of the extras, for programs that read
    annotations: command lines and configuration files are made of them.
    """
    positional = [*made.signature.positional, *by_position]
    is_open = made.choice.is_choosy and not has_others
    signature = _signature(made, extras, positional, types, is_open)
    named = [one.name for one in signature.parameters.values() if one.kind != one.VAR_KEYWORD][1:]
    in_order = {n: signature.parameters[n].default for n in named if n != OTHERS}

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        others = kwargs.pop(OTHERS, None) if is_open else None
        if others is not None:
            self._take_others(others)
            joined = constructor(self.chain, extras, by_position, start, types, has_others=True)
            return joined(self, *args, **kwargs)
        for alias, name in made.aliases.items():
            if alias in kwargs and name in kwargs:
                raise TypeError(f"{made.name}: {name} and {alias} are the same; give one of them")
            if alias in kwargs:
                kwargs[name] = kwargs.pop(alias)
        _check_names(made.name, kwargs, named, is_open)
        _check_positions(made.name, args, kwargs, ["params", *positional])
        # as Signature.bind would, in a tenth of its time
        given = {**in_order, **dict(zip(in_order, args, strict=False)), **kwargs}
        with by_keyword(made.name, positional[1:] if len(args) > 2 else []):
            start(self, **given, **made.fixed)

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    annotations = {n: one.annotation for n, one in signature.parameters.items() if n != "self"}
    __init__.__annotations__ = {**annotations, "return": None}
    return __init__


def _signature(
    made: Chain,
    extras: Mapping[str, Any],
    positional: Sequence[str],
    types: Mapping[str, Any],
    is_open: bool,
) -> inspect.Signature:
    """What the constructor takes; with `is_open`, `others` and its settings too."""
    kinds = inspect.Parameter
    shown = {n: made.settings[n].default for n in made.signature.shown}
    defaults = {**shown, **extras}
    if both := sorted(shown.keys() & extras.keys()):
        raise TypeError(
            f"{made.name}: {both[0]!r} is an argument of every optimizer here, and cannot be a "
            f'setting; give it another name: named(..., {both[0]}="...")'
        )
    rest = [name for name in defaults if name not in positional]
    annotations = {n: _type(made.settings[n], types["number"]) for n in shown}
    annotations = {"params": types["params"], **annotations, **{n: types[n] for n in extras}}

    def parameter(name: str, kind: Any, default: Any = kinds.empty) -> inspect.Parameter:
        annotation = annotations.get(name, kinds.empty)
        return kinds(name, kind, default=default, annotation=annotation)

    parameters = [parameter(n, kinds.POSITIONAL_OR_KEYWORD) for n in ("self", "params")]
    parameters += [parameter(n, kinds.POSITIONAL_OR_KEYWORD, defaults[n]) for n in positional]
    parameters += [parameter(n, kinds.KEYWORD_ONLY, defaults[n]) for n in rest]
    if is_open:
        annotations |= {OTHERS: type | str | None, "others_settings": Any}
        parameters.append(parameter(OTHERS, kinds.KEYWORD_ONLY, None))
        parameters.append(parameter("others_settings", kinds.VAR_KEYWORD))
    return inspect.Signature(parameters, return_annotation=None)


def _check_names(title: str, given: Iterable[str], named: Sequence[str], is_open: bool) -> None:
    """Raise a TypeError for an argument that there is none of."""
    for name in given:
        if name in named:
            continue
        if is_open and name.startswith(f"{OTHERS}_"):
            raise TypeError(
                f"{title}: {name} is a setting of the optimizer that others= gives to what is no "
                f"matrix, and there is none; {title}(params, others=AdamW, {name}=...)"
            )
        raise TypeError(f"{title}: {unknown(name, named[1:])}")


def _check_positions(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], positional: Sequence[str]
) -> None:
    """Raise a TypeError for too many arguments, one given twice, or no parameters at all."""
    if len(args) > len(positional):
        raise TypeError(
            f"{name}: too many positional arguments, got {len(args)}; at most {len(positional)} "
            f"may come by position, {', '.join(positional)}; give the others by name"
        )
    for twice in positional[: len(args)]:
        if twice in kwargs:
            raise TypeError(f"{name}: {twice} is given by position and by name; give it once")
    if not args and "params" not in kwargs:
        raise TypeError(f"{name}: params is missing: what to optimize, such as model.parameters()")


@contextmanager
def by_keyword(name: str, positional: Sequence[str]) -> Iterator[None]:
    """Where settings behind `lr` were given by position and do not fit, say whose order differs."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if positional and name in AUTHORS_ORDER and " must be " in str(error):
            raise type(error)(
                f"{error}; by position {name} takes {', '.join(positional)} behind lr, and "
                f"{AUTHORS_ORDER[name]}: give them by keyword"
            ) from None
        raise


def _type(setting: Setting, number: Any) -> Any:
    """The type of a setting: its default's, or a choice of words."""
    if setting.choices:
        return Literal[setting.choices]
    if isinstance(setting.default, tuple):
        each = [number if one is not None else number | None for one in setting.default]
        return tuple[tuple(each)]  # type: ignore[misc]
    return number if isinstance(setting.default, float) else type(setting.default)
