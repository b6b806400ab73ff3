"""What the rules themselves say of every optimizer in the registry: who else fits a wish.

Nothing here is said of how well one does: that is for studies, and for `thalweg compare`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from thalweg.chain import Chain
from thalweg.lab.facts import live_states
from thalweg.matrices import ARITY
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule

__all__ = ["Others", "others"]

_FLOAT32 = 4  # bytes


@dataclass(frozen=True)
class Others:
    """Optimizers that have something in common, which can be read off their rules."""

    what: str
    names: list[str]


def others(task: str, budget: str, memory: str, chosen: str) -> list[Others]:
    """Who else fits: by memory where that is tight, by what is to be set, by what they look at."""
    found = []
    if memory == "tight":
        for size in (0, 4):
            found.append(_those(f"keep {size} bytes for each float32 weight", _keeps(size)))
    elif budget == "none":
        found.append(_those("find their rate themselves", _finds_its_rate))
    else:
        found.append(_those("are set as AdamW is, with no more memory", _is_set_as_adamw))
    if task == "language" and budget == "large":
        found.append(_those("look at whole matrices", _factors_matrices))
    kept = [Others(one.what, [name for name in one.names if name != chosen]) for one in found]
    return [one for one in kept if one.names]


def _those(what: str, fits: Callable[[Chain], bool]) -> Others:
    usual = ((n, c) for n, c in OPTIMIZERS.items() if not any(r.rows_only for r in c.rules))
    return Others(what, [name for name, made in usual if fits(made)])


def _keeps(size: int) -> Callable[[Chain], bool]:
    """By default, for a matrix, which most weights are in, with no square ones beside it."""

    def fits(made: Chain) -> bool:
        if any(isinstance(slot.state.per, tuple) for slot in made.slots):
            return False
        takes_all = made.choice.which((2,)) is not None
        return takes_all and _FLOAT32 * len(live_states(made, (2, 2))) == size

    return fits


def _finds_its_rate(made: Chain) -> bool:
    """By a number that all tensors share, with an lr that multiplies it: 1."""
    return bool(made.shared) and made.defaults.get("lr") == 1.0


def _factors_matrices(made: Chain) -> bool:
    """By a word for it in its text."""
    names = {name for rule in made.rules for name in _names_in(rule)}
    return not names.isdisjoint(ARITY)


def _names_in(rule: type[Rule]) -> tuple[str, ...]:
    update: Any = rule.update  # type: ignore[attr-defined]
    found: tuple[str, ...] = update.__code__.co_names
    return found


def _is_set_as_adamw(made: Chain) -> bool:
    wanted = {"lr", "betas", "eps", "weight_decay"} <= {*made.signature.shown}
    small = len(live_states(made, (2, 2))) <= 2
    return wanted and small and not (made.requests or made.on_matrices)
