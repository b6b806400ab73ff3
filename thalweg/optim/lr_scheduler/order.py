"""Who stepped first: the warning about an optimizer that has not stepped before its scheduler."""

from __future__ import annotations

import functools
import warnings
from typing import Any
from weakref import ref

import torch
from torch.optim import Optimizer

__all__ = ["warn_of_order", "watch"]

_LINK = "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"

# torch's own words first, which programs filter and match
_OVERRIDDEN = (
    "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
    "initialization. Please, make sure to call `optimizer.step()` before "
    f"`lr_scheduler.step()`. {_LINK}"
)
_TOO_EARLY = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and "
    "later, you should call them in the opposite order: `optimizer.step()` before "
    "`lr_scheduler.step()`.  Failure to do this will result in PyTorch skipping the first value "
    f"of the learning rate schedule. {_LINK}"
)


def watch(optimizer: Optimizer) -> None:
    """Let the optimizer note that it has stepped, under the names that torch's schedulers use."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    owner = ref(optimizer)  # the optimizer will hold the function: no circle
    plain = getattr(optimizer.step, "__func__", None)
    if plain is None:  # somebody's own function, not a method
        return

    # torch.compile loses an attribute that traced code sets on an optimizer. A function whose
    # result is a constant is called while it traces.
    def noted() -> None:
        owner()._opt_called = True  # type: ignore[union-attr]

    constant: Any = torch.compiler.assume_constant_result
    note = constant(noted)

    @functools.wraps(plain)
    def step(*args: Any, **kwargs: Any) -> Any:
        note()
        return plain(owner(), *args, **kwargs)

    step._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer.step = step  # type: ignore[method-assign]


def warn_of_order(optimizer: Optimizer) -> None:
    """Warn whoever called the step of a scheduler before that of the optimizer."""
    if not hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        warnings.warn(_OVERRIDDEN, UserWarning, stacklevel=3)
    elif not getattr(optimizer, "_opt_called", False):
        warnings.warn(_TOO_EARLY, UserWarning, stacklevel=3)
