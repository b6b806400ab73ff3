"""Finds thalweg's optimizers inside what frameworks wrap around them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from thalweg.border.evaluation import Evaluated

__all__ = ["own_optimizer", "own_optimizers"]


def own_optimizer(wrapped: Any) -> Evaluated | None:
    """The optimizer of thalweg's that a framework has wrapped, as often as it has; None where there
    is none."""
    seen: list[Any] = []
    while wrapped is not None and not any(wrapped is one for one in seen):
        if isinstance(wrapped, Evaluated):
            return wrapped
        seen.append(wrapped)
        wrapped = getattr(wrapped, "optimizer", None)
    return None


def own_optimizers(wrapped: Iterable[Any]) -> list[Evaluated]:
    """Those of thalweg's among several."""
    found = [own_optimizer(one) for one in wrapped]
    return [one for one in found if one is not None]
