"""Element formats: how numbers lie in memory and in which type they are computed with."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FORMATS", "Format", "computation"]


@dataclass(frozen=True)
class Format:
    """One element type: its name in torch and NumPy, its bytes, its computation type."""

    name: str
    size: int
    computes_in: str


FORMATS = {
    f.name: f
    for f in (
        Format("float32", 4, "float32"),
        Format("float64", 8, "float64"),
        Format("bfloat16", 2, "float32"),
        Format("float16", 2, "float32"),
    )
}


def computation(parameter: str) -> str:
    """The type a step is computed in, decided by the parameter's format alone."""
    return FORMATS[parameter].computes_in
