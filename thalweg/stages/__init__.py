"""What stands around a rule, in the same pass: one kind of stage per file."""

from typing import Any

from thalweg.shelf import found_in, taken

STAGES = found_in(__file__)
"""The file of each stage."""

__all__ = ["STAGES", *STAGES]


def __getattr__(name: str) -> Any:
    return taken(__name__, STAGES, name)


def __dir__() -> list[str]:
    return __all__
