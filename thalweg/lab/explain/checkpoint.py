"""The next step of one parameter of a checkpoint: its weights and states, and a gradient."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thalweg.lab.errors import UserError
from thalweg.lab.explain.saved import Saved, read_saved
from thalweg.lab.explain.step import Explanation, explain
from thalweg.mytorch import optim
from thalweg.mytorch.nn import Parameter
from thalweg.optimizers import OPTIMIZERS

__all__ = ["explain_checkpoint"]

_MEAN = "exp_avg"

# what a group holds of all its parameters
_OF_ALL = {"params", "param_names", "decay_filter"}


def explain_checkpoint(
    path: str,
    name: str | None,
    index: Sequence[int] | None = None,
    grad: float | None = None,
    optimizer: str | None = None,
) -> tuple[Explanation, str]:
    """Explain the next step of a parameter of a file: of `thalweg.mytorch.checkpoint`, or one that
    `torch.save` has written, whose `optimizer` has to be named.

    A file has no gradients: it is taken to be `grad` for every element, or, without that, the mean
    that the optimizer keeps of it. Gives the explanation, and in words what gradient it is of.
    """
    saved = read_saved(path)
    kind = _kind(path, saved, optimizer)
    number = _number(path, saved, name)
    p = Parameter(np.array(saved.weights[saved.names[number]]))
    opt = _rebuilt(kind, saved, number, p)
    if grad is None and _MEAN not in opt.state[p]:
        raise UserError(
            f"--grad must say what the gradient is: a checkpoint has none, and {kind} keeps no mean"
        )
    mean = opt.state[p].get(_MEAN)
    p.grad = np.array(mean) if grad is None else np.full_like(p.data, grad)
    said = f"{grad:g} for every element" if grad is not None else "the mean that the file has of it"
    try:
        return explain(opt, p, index), said
    except ValueError as error:
        raise UserError(str(error).replace("explain: index", "--element")) from None


def _kind(path: str, saved: Saved, optimizer: str | None) -> str:
    if saved.kind is None and optimizer is None:
        raise UserError("a file of torch does not say which optimizer it is of: name OPTIMIZER too")
    if saved.kind is not None and optimizer not in (None, saved.kind):
        raise UserError(f"--checkpoint {path}: it holds the state of {saved.kind}, not {optimizer}")
    kind = saved.kind or str(optimizer)
    if kind not in OPTIMIZERS:
        raise UserError(f"--checkpoint {path}: it holds the state of {kind}, which is no rule here")
    return kind


def _number(path: str, saved: Saved, name: str | None) -> int:
    """The number of the parameter of that name."""
    names = saved.names
    if name is None:
        raise UserError(f"--param must say which parameter: {', '.join(names[:12])}")
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        hint = f" (did you mean {close[0]}?)" if close else f"; it has {', '.join(names[:12])}"
        raise UserError(f"--checkpoint {path}: the optimizer has no parameter {name!r}{hint}")
    return names.index(name)


def _rebuilt(kind: str, saved: Saved, number: int, p: Parameter) -> Any:
    """An optimizer of the one parameter, with the settings of its group and its state."""
    groups: Sequence[Mapping[str, Any]] = saved.optimizer["param_groups"]
    group = next(one for one in groups if number in one["params"])
    opt = getattr(optim, kind)([p])
    opt.param_groups[0].update({key: one for key, one in group.items() if key not in _OF_ALL})
    decays = group.get("decay_filter")
    if isinstance(decays, list):  # one truth value for each parameter
        opt.param_groups[0]["decay_filter"] = [decays[list(group["params"]).index(number)]]
    opt.state[p] = dict(saved.optimizer["state"].get(number, {}))
    return opt
