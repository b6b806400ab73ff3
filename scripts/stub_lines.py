"""How a stub spells a made class: what the stubs of both borders have in common."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

from thalweg.either import OTHERS

__all__ = ["in_order", "of_class", "of_setting", "spelled"]

TypeOf = Callable[[Any, str, object], str]


def of_class(cls: Any, bases: str, params: str, type_of: TypeOf) -> str:
    """A class with its constructor, as `ruff format` would leave it."""
    lines = [
        f"class {cls.__name__}({bases}):",
        "    def __init__(",
        *(f"        {argument}," for argument in ["self", params, *_arguments(cls, type_of)]),
        "    ) -> None: ...",
    ]
    return "\n" + "\n".join(lines) + "\n"


def _arguments(cls: Any, type_of: TypeOf) -> Iterator[str]:
    """Every argument after `params`, with its type and its default."""
    keyword_only = False
    _, *parameters = inspect.signature(cls).parameters.values()
    for one in parameters:
        if one.kind is one.KEYWORD_ONLY and not keyword_only:
            keyword_only = True
            yield "*"
        if one.kind is one.VAR_KEYWORD:  # of whatever `others` is
            continue
        if one.name == OTHERS:
            yield f"{OTHERS}: type[Any] | str | None = None"
            continue
        yield f"{one.name}: {type_of(cls, one.name, one.default)} = {spelled(one.default)}"
    for alias, name in cls.chain.aliases.items():
        yield f"{alias}: {type_of(cls, name, cls.chain.settings[name].default)} = ..."
    if OTHERS in inspect.signature(cls).parameters:
        yield f"**{OTHERS}_settings: Any"


def of_setting(cls: Any, name: str, default: object, number: str) -> str:
    """The type of what a chain declares, where a number may be such."""
    if name in cls.chain.settings and cls.chain.settings[name].choices:
        return f"Literal[{', '.join(map(spelled, cls.chain.settings[name].choices))}]"
    if isinstance(default, tuple):
        kinds = [number if one is not None else f"{number} | None" for one in default]
        each = kinds if len(default) < 3 else [number, "..."]  # on one line
        return f"tuple[{', '.join(each)}]"
    return number if isinstance(default, float) else type(default).__name__


def in_order(name: str) -> tuple[int, str]:
    """As ruff sorts them: constants, classes, the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def spelled(value: object) -> str:
    """A value as it stands in source."""
    if isinstance(value, float) and math.isinf(value):
        return f'float("{value}")'
    return f'"{value}"' if isinstance(value, str) else repr(value)
