"""Optimizers as a command line names them: an error there is the user's."""

from collections.abc import Iterable, Sequence

from thalweg import naming
from thalweg.lab.errors import UserError

__all__ = ["found"]


def found(typed: str, known: Iterable[str], shown: Sequence[str]) -> str:
    """The known optimizer that was typed; `shown` are those that an error proposes."""
    try:
        return naming.found(typed, known, shown, "`thalweg list optimizers` has every name")
    except ValueError as error:
        raise UserError(str(error)) from None
