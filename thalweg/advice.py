"""What to say to the author of a rule about a name that cannot be used where it stands."""

from __future__ import annotations

from typing import Any

from thalweg.settings import Setting
from thalweg.source import unknown

__all__ = ["as_setting", "for_attribute", "for_name", "for_scalar", "nameless"]


def for_name(cls: Any, name: str, known: list[str], local: set[str]) -> str:
    """Of a name that `update` or a measure takes and cannot have; `local` are those of `update`."""
    found = cls.declaration
    made = found.settings.get(name)
    if made is not None and isinstance(made.default, tuple):
        letters = ", ".join(f"{name[0]}{i + 1}" for i in range(len(made.default)))
        returned = ", ".join(f"{one}={one}" for one in letters.split(", "))
        return (
            f"{name!r} is {len(made.default)} numbers; take them apart in scalars, "
            f"`{letters} = h.{name}` and `return dict({returned})`, and take {letters} here"
        )
    if name in local:
        return (
            f"{name!r} is a name inside update, which runs after its measures; "
            f"write what it stands for into the measure"
        )
    value = getattr(cls, name, None)
    if isinstance(value, bool | int | float | str | tuple):
        return (
            f"{name!r} is a plain attribute; as a setting it is written `{as_setting(name, value)}`"
        )
    if any(name in vars(base).get("__annotations__", {}) for base in cls.__mro__):
        return f"{name!r} has a type and no default; write `{name}: float = ...` with one"
    return unknown(name, known) + _GIVEN_ELSEWHERE.get(name, "")


_TO_SCALARS = "is given to scalars: return what depends on it there, such as"
_GIVEN_ELSEWHERE = {
    "h": "; h is for scalars and switches: take each setting by its name, or return "
    "what is worked out of them from scalars",
    "t": f"; t {_TO_SCALARS} `dict(c=1 - h.decay**t)`, and take c here",
    "first": f"; first {_TO_SCALARS} `dict(keep=0.0 if first else h.momentum)`, and take keep here",
    "shape": "; shape is given to switches: declare one, such as `wide`, that returns "
    "`len(shape) > 1`, and take wide here",
    "self": "; update belongs to no instance: put @staticmethod above it, and leave self out",
    "cls": "; update belongs to no class: put @staticmethod above it, and leave cls out",
}


def for_scalar(found: Any, name: str, known: list[str]) -> str:
    """Of a name that `scalars` takes and cannot have."""
    if name in found.measures:
        return f"{name!r} is a measure, known only after scalars have run; take it in update"
    if name in found.states or name in ("p", "g"):
        return f"{name!r} is an array, and scalars works with numbers; take it in update"
    if name in found.switches:
        return f"{name!r} is a switch; take it in update"
    if name in found.settings or name in found.needs:
        return f"{name!r} is a setting; take h and write h.{name}"
    if name in ("self", "cls"):
        return f"unknown name {name!r}; put @staticmethod above scalars, and leave {name} out"
    return unknown(name, known)


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
