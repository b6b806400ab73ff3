"""Optimizers that join more than a rule and its weight decay: a file each, a chain each."""

from typing import Any

from thalweg.shelf import chains_in, taken

COMPOSITES = chains_in(__file__)
"""The file of each chain."""

__all__ = ["COMPOSITES", *COMPOSITES]


def __getattr__(name: str) -> Any:
    return taken(__name__, COMPOSITES, name)


def __dir__() -> list[str]:
    return __all__
