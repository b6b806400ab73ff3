"""The next step of one parameter of a checkpoint: its weights and states, and a gradient."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from thalweg.lab.errors import UserError
from thalweg.lab.explain.step import Explanation, explain
from thalweg.mytorch import optim
from thalweg.mytorch.checkpoint_file import read_file
from thalweg.mytorch.checkpoint_parts import STATE, joined
from thalweg.mytorch.nn import Parameter
from thalweg.optimizers import OPTIMIZERS

__all__ = ["explain_checkpoint"]

_MEAN = "exp_avg"


def explain_checkpoint(
    path: str, name: str | None, index: Sequence[int] | None = None, grad: float | None = None
) -> tuple[Explanation, str]:
    """Explain the next step of a parameter of a file of `thalweg.mytorch.checkpoint`.

    A file has no gradients: it is taken to be `grad` for every element, or, without that, the mean
    that the optimizer keeps of it. Gives the explanation, and in words what gradient it is of.
    """
    weights, held, kind = _read(path)
    if kind not in OPTIMIZERS:
        raise UserError(f"--checkpoint {path}: it holds the state of {kind}, which is no rule here")
    names = _names(held, weights)
    if name is None:
        raise UserError(f"--param must say which parameter: {', '.join(names[:12])}")
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        hint = f" (did you mean {close[0]}?)" if close else f"; it has {', '.join(names[:12])}"
        raise UserError(f"--checkpoint {path}: the optimizer has no parameter {name!r}{hint}")
    number = names.index(name)
    p = Parameter(np.array(weights[name]))
    group = next(one for one in held["param_groups"] if number in one["params"])
    opt = getattr(optim, kind)([p])
    own = {"params", "param_names", "decay_filter"}
    opt.param_groups[0].update({key: one for key, one in group.items() if key not in own})
    opt.state[p] = dict(held["state"].get(number, {}))
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


def _read(path: str) -> tuple[Mapping[str, Any], dict[str, Any], str]:
    """The weights of a file, the state of its optimizer, and the optimizer's name."""
    try:
        tensors, metadata = read_file(Path(path))
        about = json.loads(metadata.get("optimizer", "null"))
        if not isinstance(about, dict):
            raise UserError(
                f"--checkpoint {path}: it holds no optimizer; save the training with one"
            )
        held = joined(Path(path), about, tensors)
    except (OSError, ValueError) as error:
        raise UserError(f"--checkpoint: {str(error).removeprefix('load: ')}") from None
    weights = {key: array for key, array in tensors.items() if not key.startswith(STATE)}
    return weights, held, str(about.get("class"))


def _names(held: Mapping[str, Any], weights: Mapping[str, Any]) -> list[str]:
    """The name of each parameter, by its number: as the groups say, or else in the model's order,
    where the shapes of the states fit."""
    named: dict[int, str] = {}
    for group in held["param_groups"]:
        named |= dict(zip(group["params"], group.get("param_names", ()), strict=False))
    count = sum(len(group["params"]) for group in held["param_groups"])
    if len(named) == count:
        return [named[i] for i in range(count)]
    order = list(weights)
    shapes = {
        i: {np.shape(one) for one in state.values() if np.ndim(one)}
        for i, state in held["state"].items()
    }
    fit = len(order) == count and all(
        shapes.get(i, set()) <= {weights[name].shape} for i, name in enumerate(order)
    )
    if not fit:
        raise UserError(
            "--checkpoint: which weights the states are of is not known; make the optimizer from "
            "the model or from model.named_parameters(), so that the file has their names"
        )
    return order
