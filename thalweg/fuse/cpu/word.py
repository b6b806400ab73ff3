"""What a kernel's text is made of, as the compiler sees it: the types of numbers, and words, which
are functions that write LLVM's instructions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

__all__ = ["ALIKE", "ANY", "BOOL", "DOUBLE", "FLOAT", "INTEGER", "Kind", "Word", "brought", "word"]

BOOL, INTEGER = ir.IntType(1), ir.IntType(64)
FLOAT, DOUBLE = ir.FloatType(), ir.DoubleType()
ANY = "any"  # an argument that is handed on as it is
ALIKE = "alike"  # floating point, of the type of the first one that is marked so

Kind = Any  # one of these; what LLVM's binding knows of types is not known to a type checker


@dataclass(frozen=True)
class Word:
    """A function of a kernel's text: `write(builder, *values)` writes its instructions and returns
    its value, or None. The arguments are brought to the types `takes`, the last of which is that of
    all further ones where `is_open`."""

    name: str
    write: Callable[..., Any]
    takes: tuple[Kind, ...]
    is_open: bool = False
    is_known: bool = False
    """Whether its value is known before the step: a product with its reciprocal is then as good as
    what is divided by it."""

    def __call__(self, builder: ir.IRBuilder, *values: Any) -> Any:
        """Its instructions, with these values."""
        return self.write(builder, *self._arguments(builder, values))

    def _arguments(self, builder: ir.IRBuilder, values: Sequence[Any]) -> list[Any]:
        further = len(values) - len(self.takes)
        if further and not (self.is_open and further > 0):
            raise TypeError(f"{self.name} takes {len(self.takes)} arguments, got {len(values)}")
        found: list[Any] = []
        alike = None
        for value, kind in zip(values, [*self.takes, *self.takes[-1:] * further], strict=True):
            if kind == ALIKE:
                alike = alike or (value.type if value.type in (FLOAT, DOUBLE) else DOUBLE)
                kind = alike
            found.append(value if kind == ANY else brought(builder, value, kind))
        return found


def word(*takes: Kind, is_open: bool = False) -> Callable[[Callable[..., Any]], Word]:
    """Make a word of a function that writes instructions."""

    def made(write: Callable[..., Any]) -> Word:
        return Word(write.__name__, write, takes, is_open)

    return made


def brought(builder: ir.IRBuilder, value: Any, kind: Kind) -> Any:
    """A number as one of another type, as an assignment in C would have it; a truth is what is not
    zero, NaN with it."""
    if value.type == kind:
        return value
    if kind == BOOL:
        zero = ir.Constant(value.type, 0)
        is_whole = value.type == INTEGER
        return (builder.icmp_signed if is_whole else builder.fcmp_unordered)("!=", value, zero)
    if kind == INTEGER:
        if value.type != BOOL:
            raise TypeError("a whole number was expected, got one of floating point")
        return builder.zext(value, INTEGER)
    if value.type == BOOL:
        return builder.uitofp(value, kind)
    if value.type == INTEGER:
        return builder.sitofp(value, kind)
    return builder.fpext(value, kind) if kind == DOUBLE else builder.fptrunc(value, kind)
