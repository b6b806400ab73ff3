"""Formats: how an array is stored, and in which type its numbers are computed with.

An element type is what a framework has a word for. A format is made of one: alone, with companion
arrays that lie beside the array, or with a rounding of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ELEMENTS", "FORMATS", "Companion", "Element", "Format", "columns", "computation"]


@dataclass(frozen=True)
class Element:
    """One element type: its name in torch and NumPy, its bytes, its computation type."""

    name: str
    size: int
    computes_in: str


ELEMENTS = {
    e.name: e
    for e in (
        Element("float32", 4, "float32"),
        Element("float64", 8, "float64"),
        Element("bfloat16", 2, "float32"),
        Element("float16", 2, "float32"),
    )
}


@dataclass(frozen=True)
class Companion:
    """An array that a format keeps beside each array: one element of it for `per` of the array's.

    A `residual` is what is missing from the number to its rounded value, and is added to it.
    """

    name: str
    element: str
    per: int = 1


@dataclass(frozen=True)
class Format:
    """How an array is stored: its element type, its companions, and how a number is rounded.

    To nearest, ties to even; or at random, up as often as the number is near to the next one, with
    bits that the seed of a step decides.
    """

    name: str
    element: str
    companions: tuple[Companion, ...] = ()
    rounds_at_random: bool = False

    @property
    def size(self) -> int:
        """The bytes of one element, without its companions."""
        return ELEMENTS[self.element].size

    @property
    def computes_in(self) -> str:
        """The type that a step is computed in whose parameter is stored so."""
        return ELEMENTS[self.element].computes_in


# Every element type alone, by its own name, then those that no border offers yet.
FORMATS = {
    f.name: f
    for f in (
        *(Format(name, name) for name in ELEMENTS),
        Format("bfloat16+residual", "bfloat16", (Companion("residual", "bfloat16"),)),
        Format("bfloat16+stochastic", "bfloat16", rounds_at_random=True),
    )
}


def computation(parameter: str) -> str:
    """The type a step is computed in, decided by the parameter's format alone."""
    return FORMATS[parameter].computes_in


def columns(arrays: Sequence[str], *formats: Sequence[str | None]) -> list[str]:
    """The columns of a table of addresses: the arrays, then every companion that they have in any
    of `formats`, which are lists of a format per array."""
    beside = [
        f"{array}.{companion.name}"
        for each in formats
        for array, form in zip(arrays, each, strict=True)
        if form
        for companion in FORMATS[form].companions
    ]
    return [*arrays, *dict.fromkeys(beside)]
