"""One optimizer per file: the lines of its paper, on one element."""

from typing import Any

from thalweg.shelf import found_in, taken

RULES = found_in(__file__)
"""The file of each rule."""

__all__ = ["RULES", *RULES]


def __getattr__(name: str) -> Any:
    return taken(__name__, RULES, name)


def __dir__() -> list[str]:
    return __all__
