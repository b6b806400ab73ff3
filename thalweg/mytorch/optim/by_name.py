"""An optimizer by its name, for programs that are told which: `create("lion", model, lr=1e-4)`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from thalweg import naming
from thalweg.mytorch.nn import Module
from thalweg.mytorch.optim.optimizer import Optimizer
from thalweg.optimizers import OPTIMIZERS

__all__ = ["create", "names"]


def names() -> list[str]:
    """The name of every optimizer that there is, sorted."""
    return sorted({*OPTIMIZERS, *naming.BESIDE}, key=str.lower)


def create(
    name: str, params: Module | Iterable[Any], lr: float | None = None, **settings: Any
) -> Optimizer:
    """Make the optimizer of this name: `create("adamw", model, lr=1e-3, weight_decay=0.1)`.

    The same as its class with these arguments, for programs whose user says which one. In the name
    case, underscores and hyphens do not count: `schedule_free_adamw` is `ScheduleFreeAdamW`. Of a
    model `decay_filter="no_bias_norm"` leaves biases and norms without weight decay. Without `lr`
    it is the optimizer's own default, and so is every setting that is not given.

    Raises ValueError for a name that there is not, with the closest one that there is, and what the
    class raises for its settings.
    """
    try:
        title = naming.found(name, names(), where="names() has every name")
    except (TypeError, ValueError) as error:
        raise type(error)(f"create: {error}") from None
    # the class as its users find it, made there when it is first asked for
    kind = getattr(sys.modules[__package__], title)
    given = settings if lr is None else {"lr": lr, **settings}
    made: Optimizer = kind(params, **given)
    return made
