"""The `__init__` of a class made from a chain: its signature, its aliases, its error messages."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from thalweg.chain import Chain
from thalweg.source import unknown

__all__ = ["constructor"]


def constructor(
    made: Chain,
    extras: Mapping[str, Any],
    by_position: Sequence[str],
    start: Callable[..., None],
) -> Callable[..., None]:
    """An `__init__` with the chain's signature, for `help`, editors and error messages.

    `extras` are a border's own arguments with their defaults; those in `by_position` follow the
    chain's positional ones, the others are keyword-only. It ends in `start(self, **settings)`.
    """
    kinds = inspect.Parameter
    parameters = [
        kinds("self", kinds.POSITIONAL_OR_KEYWORD),
        kinds("params", kinds.POSITIONAL_OR_KEYWORD),
    ]
    shown = {n: made.settings[n].default for n in [*made.positional, *made.keyword_only]}
    defaults = {**shown, **extras}
    positional = [*made.positional, *by_position]
    rest = [name for name in defaults if name not in positional]
    parameters += [kinds(n, kinds.POSITIONAL_OR_KEYWORD, default=defaults[n]) for n in positional]
    parameters += [kinds(n, kinds.KEYWORD_ONLY, default=defaults[n]) for n in rest]
    signature = inspect.Signature(parameters)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        for alias, name in made.aliases.items():
            if alias in kwargs and name in kwargs:
                raise TypeError(f"{made.name}: {name} and {alias} are the same; give one of them")
            if alias in kwargs:
                kwargs[name] = kwargs.pop(alias)
        for name in kwargs:
            if name not in signature.parameters:
                raise TypeError(f"{made.name}: {unknown(name, list(signature.parameters)[2:])}")
        _check_positions(made.name, args, kwargs, ["params", *positional])
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments)
        del given["self"]
        start(self, **given, **made.fixed)

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    return __init__


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
