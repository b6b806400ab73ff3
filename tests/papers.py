"""What the papers' lines in `tests/cases/` share.

They are written apart from thalweg's language, engines and numbers, so that a misunderstanding
would have to be made twice: `paper(p, gradients, **settings)` yields p after each step. Settings
have the public names and defaults; `weight_decay` is the L2 kind unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

Array = np.ndarray
Path = Iterator[Array]
Paper = Callable[..., Path]


def ascending(gradients: Iterable[Array], maximize: bool) -> Iterator[Array]:
    """The gradients to go down along, also where the way is up."""
    return (-g if maximize else g for g in gradients)


def decayed(
    p: Array, g: Array, lr: float, weight_decay: float, decoupled: bool
) -> tuple[Array, Array]:
    """A parameter and its gradient after a weight decay of one kind or the other."""
    return (p - lr * weight_decay * p, g) if decoupled else (p, g + weight_decay * p)


def over_lists(paper: Paper) -> Paper:
    """Mark a paper that takes all tensors at once, as lists: numbers of theirs are one for all."""
    paper.takes_lists = True  # type: ignore[attr-defined]
    return paper
