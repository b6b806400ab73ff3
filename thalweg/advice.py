"""What to say to the author of a rule about a name that cannot be used where it stands."""

from __future__ import annotations

from typing import Any

from thalweg.settings import Setting
from thalweg.source import unknown

__all__ = ["as_setting", "for_attribute", "for_name", "may_be_needed", "nameless"]


def for_name(cls: Any, name: str, known: list[str]) -> str:
    """Of a name that `update` takes and cannot have."""
    value = getattr(cls, name, None)
    if isinstance(value, bool | int | float | str | tuple):
        return (
            f"{name!r} is a plain attribute; as a setting it is written `{as_setting(name, value)}`"
        )
    if any(name in vars(base).get("__annotations__", {}) for base in cls.__mro__):
        return f"{name!r} has a type and no default; write `{name}: float = ...` with one"
    return unknown(name, known) + _MEANT.get(name, "")


_MEANT = {
    "h": "; take each setting by its name",
    "shape": "; take ndim, rows or columns",
    "step": "; the number of the step is t",
    "self": "; update belongs to no instance: put @staticmethod above it, and leave self out",
    "cls": "; update belongs to no class: put @staticmethod above it, and leave cls out",
}


def may_be_needed(cls: Any, name: str) -> bool:
    """Whether a name that a stage takes may be a setting of another part."""
    own = any(name in (*vars(b), *vars(b).get("__annotations__", {})) for b in cls.__mro__)
    return name not in _MEANT and not own


def for_attribute(name: str, value: Any, inherited: bool, annotated: bool) -> str:
    """Of a class attribute that looks like a setting and is none; empty if it may stay."""
    is_open = isinstance(value, Setting) and not value.choices
    if is_open and isinstance(value.default, str):
        value, annotated = value.default, True
    if annotated and isinstance(value, str):
        return f"text needs the choices there are; write `{as_setting(name, value)}`"
    if annotated and isinstance(value, list):
        return f"several numbers are a tuple; write `{as_setting(name, tuple(value))}`"
    if inherited and not annotated and isinstance(value, bool | int | float | str | tuple):
        return f"a setting needs its type; write `{as_setting(name, value)}`"
    return ""


def nameless(given: Any) -> str:
    """What to say where the first argument of `chain` is no name."""
    got = given.__name__ if isinstance(given, type) else repr(given)
    example = got if isinstance(given, type) else "Adam"
    return (
        f"chain: its first argument must be the optimizer's name, got {got}; "
        f'write chain("Mine", {example})'
    )


def as_setting(name: str, value: Any) -> str:
    """How a setting with this default is declared."""
    if isinstance(value, str):
        return f"{name}: str = setting({value!r}, choices=({value!r}, ...))"
    if isinstance(value, tuple):
        return f"{name}: tuple[{', '.join(type(one).__name__ for one in value)}] = {value!r}"
    return f"{name}: {type(value).__name__} = {value!r}"
