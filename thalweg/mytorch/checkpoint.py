"""A training in one file: weights, the states of optimizer, scheduler and loader, random numbers.

The file is a `.safetensors` one: any library reads the weights from it, under their own names. The
optimizer's arrays lie beside them, as `optimizer:number:key`; all else is JSON in the metadata.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from thalweg.mytorch.checkpoint_file import read_file, write_file
from thalweg.mytorch.checkpoint_parts import STATE, as_json, joined, loader_state, part, split
from thalweg.mytorch.data import DataLoader
from thalweg.mytorch.nn import Module
from thalweg.mytorch.optim import Optimizer
from thalweg.mytorch.random import get_rng_state, set_rng_state

__all__ = ["load", "save"]

_Path = str | os.PathLike[str]


class Scheduler(Protocol):
    """What a checkpoint keeps of a scheduler: a state that JSON can hold."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


def save(
    path: _Path,
    model: Module,
    optimizer: Optimizer | None = None,
    scheduler: Scheduler | None = None,
    loader: DataLoader | None = None,
) -> None:
    """Write a training, or a model alone, into one file; an older one is replaced when it is whole.

    A run that loads all it saved goes on as if it had never stopped, bit for bit. Of a loader the
    seed and the epoch are kept, not the place within an epoch: save between two of them.
    """
    _check_kinds("save", model, optimizer, loader)
    tensors = model.state_dict()
    for name in tensors:
        if name.startswith(STATE):
            raise ValueError(f"save: a weight's name must not begin with {STATE!r}, got {name!r}")
    about: dict[str, Any] = {"random": get_rng_state()}
    if optimizer is not None:
        arrays, numbers, groups = split(optimizer.state_dict())
        tensors |= arrays
        held = {"class": type(optimizer).__name__, "numbers": numbers, "param_groups": groups}
        about["optimizer"] = held
    if scheduler is not None:
        held = {"class": type(scheduler).__name__, "state": scheduler.state_dict()}
        about["scheduler"] = held
    if loader is not None:
        about["loader"] = {"seed": loader.seed, "epoch": loader.epoch}
    parts = {name: as_json(name, held) for name, held in about.items()}
    write_file(Path(path), tensors, parts)


def load(
    path: _Path,
    model: Module,
    optimizer: Optimizer | None = None,
    scheduler: Scheduler | None = None,
    loader: DataLoader | None = None,
) -> None:
    """Take up again what `save` wrote, or other weights; if anything does not fit, nothing changes.

    The random numbers go on where they were if an optimizer is given: with a model alone nothing
    else is touched.
    """
    _check_kinds("load", model, optimizer, loader)
    path = Path(path)
    tensors, metadata = read_file(path)
    given = {"optimizer": optimizer, "scheduler": scheduler, "loader": loader}
    about = {
        name: part(path, metadata, name, one) for name, one in given.items() if one is not None
    }
    weights = {name: array for name, array in tensors.items() if not name.startswith(STATE)}
    place = None if loader is None else loader_state(path, about["loader"])
    with _naming(path), _all_or_nothing(model, optimizer, scheduler):
        model.load_state_dict(weights)
        if optimizer is not None:
            optimizer.load_state_dict(joined(path, about["optimizer"], tensors))
        if scheduler is not None:
            scheduler.load_state_dict(about["scheduler"].get("state", {}))
        if optimizer is not None:
            set_rng_state(part(path, metadata, "random"))
    if loader is not None and place is not None:
        loader.seed, loader.epoch = place


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say of every refusal which file it is about."""
    try:
        yield
    except Exception as error:
        kinds = [kind for kind in (TypeError, ValueError, RuntimeError) if isinstance(error, kind)]
        sentence = str(error) if kinds else f"it cannot be used: {type(error).__name__}: {error}"
        if not sentence.startswith("load: "):
            sentence = f"load: {path}: {sentence}"
        raise (*kinds, ValueError)[0](sentence) from None


@contextmanager
def _all_or_nothing(*parts: Any) -> Iterator[None]:
    """Undo what was loaded into any of them if something fails."""
    before = [(one, one.state_dict()) for one in parts if one is not None]
    numbers = get_rng_state()
    try:
        yield
    except BaseException:
        set_rng_state(numbers)
        for one, state in reversed(before):  # a scheduler writes into its optimizer
            one.load_state_dict(state)
        raise


def _check_kinds(title: str, model: Any, optimizer: Any, loader: Any) -> None:
    kinds = {"model": (model, Module), "optimizer": (optimizer, Optimizer)}
    kinds["loader"] = loader, DataLoader
    for name, (one, kind) in kinds.items():
        if not isinstance(one, kind) and (one is not None or name == "model"):
            raise TypeError(
                f"{title}: {name} must be of the class {kind.__name__} of thalweg.mytorch, "
                f"got {type(one).__name__}"
            )
