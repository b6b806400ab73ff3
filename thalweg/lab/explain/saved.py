"""What a file of a training holds of an optimizer: of thalweg.mytorch, or one that torch saved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.lab.errors import UserError
from thalweg.lab.frameworks import load_backend
from thalweg.mytorch.checkpoint_file import read_file
from thalweg.mytorch.checkpoint_parts import STATE, joined

__all__ = ["Saved", "read_saved"]

# of a batch norm, which a model's state has beside its parameters
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class Saved:
    """Weights by name, the optimizer's state_dict in arrays, and its class where the file says."""

    weights: Mapping[str, NDArray[Any]]
    optimizer: Mapping[str, Any]
    kind: str | None

    @property
    def names(self) -> list[str]:
        """The name of each parameter, by its number: as the groups say, or else in the model's
        order, where the shapes of the states fit."""
        groups = self.optimizer["param_groups"]
        named: dict[int, str] = {}
        for group in groups:
            named |= dict(zip(group["params"], group.get("param_names", ()), strict=False))
        count = sum(len(group["params"]) for group in groups)
        if sorted(named) == list(range(count)) and {*named.values()} <= {*self.weights}:
            return [named[i] for i in range(count)]
        order = [name for name in self.weights if not name.endswith(_BUFFERS)]
        shapes = {
            i: {np.shape(one) for one in state.values() if np.ndim(one)}
            for i, state in self.optimizer["state"].items()
        }
        fit = len(order) == count and all(
            shapes.get(i, set()) <= {self.weights[name].shape} for i, name in enumerate(order)
        )
        if not fit:
            raise UserError(
                "--checkpoint: which weights the states are of is not known; make the optimizer "
                "from model.named_parameters(), so that the file has their names"
            )
        return order


def read_saved(path: str) -> Saved:
    """Read a file; raises UserError for what is no training, or holds no optimizer."""
    if Path(path).suffix == ".safetensors" or not Path(path).is_file():
        return _of_mytorch(path)
    return _of_torch(path)


def _of_mytorch(path: str) -> Saved:
    try:
        tensors, metadata = read_file(Path(path))
        about = json.loads(metadata.get("optimizer", "null"))
        if not isinstance(about, dict):
            raise UserError(f"--checkpoint {path}: it holds no optimizer: save it with one")
        held = joined(Path(path), about, tensors)
    except (OSError, ValueError) as error:
        raise UserError(f"--checkpoint: {str(error).removeprefix('load: ')}") from None
    weights = {key: array for key, array in tensors.items() if not key.startswith(STATE)}
    return Saved(weights, held, str(about.get("class")))


def _of_torch(path: str) -> Saved:
    """A dictionary with the state_dict of an optimizer and that of a model somewhere in it."""
    backend: Any = load_backend("torch")
    try:
        held = backend.read_file(path)
    except Exception as error:
        text = " ".join(str(error).split())
        raise UserError(f"--checkpoint {path}: torch cannot read it: {text:.200}") from None
    found = list(_dicts(held))
    optimizers = [one for one in found if {"state", "param_groups"} <= one.keys()]
    models = [one for one in found if one and all(isinstance(v, np.ndarray) for v in one.values())]
    if not optimizers or not models:
        lack = "state_dict of an optimizer" if not optimizers else "state_dict of a model"
        raise UserError(f"--checkpoint {path}: it holds no {lack}")
    return Saved(models[0], optimizers[0], None)


def _dicts(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """The dictionaries in a file, the outer ones first; those of an optimizer are one piece."""
    if not isinstance(value, dict) or depth > 3:
        return
    yield value
    if not {"state", "param_groups"} <= value.keys():
        for one in value.values():
            yield from _dicts(one, depth + 1)
