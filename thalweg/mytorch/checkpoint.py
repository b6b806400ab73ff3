"""A training in one file: weights, the optimizer's states, the schedule's place, the random numbers.

The file is a `.safetensors` one: any library reads the weights from it, under their own names.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from thalweg.mytorch.nn import Module
from thalweg.mytorch.optim import Optimizer
from thalweg.mytorch.random import get_rng_state, set_rng_state

__all__ = ["load", "save"]

_FORMAT = "thalweg.mytorch 1"
# no attribute of a model has a colon in its name, so no weight is called like a state
_STATE = "optimizer:{number}:{key}"


class Scheduler(Protocol):
    """What a checkpoint keeps of a scheduler."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None: ...


def save(
    path: str | os.PathLike[str],
    model: Module,
    optimizer: Optimizer | None = None,
    scheduler: Scheduler | None = None,
) -> None:
    """Write a training, or a model alone, into one file; an older one is replaced when it is whole.

    A run that loads the file goes on as if it had never stopped, bit for bit: what it needs
    besides is the `epoch` of its DataLoader.
    """
    tensors = dict(model.state_dict())
    about = {"format": _FORMAT, "random": json.dumps(get_rng_state())}
    if optimizer is not None:
        arrays, plain = _split(optimizer.state_dict())
        tensors |= arrays
        about["optimizer"] = json.dumps({"class": type(optimizer).__name__, **plain})
    if scheduler is not None:
        about["scheduler"] = json.dumps(
            {"class": type(scheduler).__name__, "state": scheduler.state_dict()}
        )
    _write(Path(path), _safetensors().save(tensors, about))


def load(
    path: str | os.PathLike[str],
    model: Module,
    optimizer: Optimizer | None = None,
    scheduler: Scheduler | None = None,
) -> None:
    """Take a training up again from a file of `save`; if anything does not fit, nothing changes."""
    tensors, about = _read(Path(path))
    if (optimizer or scheduler) and about.get("format") != _FORMAT:
        raise ValueError(
            f"load: {path} was not written by thalweg.mytorch.save; it has weights only"
        )
    weights = {name: array for name, array in tensors.items() if not name.startswith("optimizer:")}
    before = [one.state_dict() if one else None for one in (model, optimizer, scheduler)]
    try:
        model.load_state_dict(weights)
        if optimizer is not None:
            optimizer.load_state_dict(_joined(_part(path, about, "optimizer", optimizer), tensors))
        if scheduler is not None:
            scheduler.load_state_dict(_part(path, about, "scheduler", scheduler)["state"])
    except BaseException:
        for one, state in zip((model, optimizer, scheduler), before, strict=True):
            if one is not None and state is not None:
                one.load_state_dict(state)
        raise
    if "random" in about:
        set_rng_state(json.loads(about["random"]))


def _split(state_dict: dict[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """An optimizer's state as arrays by name, and the rest, which JSON can hold."""
    arrays: dict[str, np.ndarray] = {}
    numbers: dict[str, dict[str, float]] = {}
    for number, held in state_dict["state"].items():
        numbers[str(number)] = {k: v for k, v in held.items() if not isinstance(v, np.ndarray)}
        for key, value in held.items():
            if isinstance(value, np.ndarray):
                arrays[_STATE.format(number=number, key=key)] = value
    return arrays, {"numbers": numbers, "param_groups": state_dict["param_groups"]}


def _joined(plain: dict[str, Any], tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    """The reverse of `_split`; JSON makes lists of tuples."""
    state: dict[int, dict[str, Any]] = {
        int(number): dict(held) for number, held in plain["numbers"].items()
    }
    for name, array in tensors.items():
        if name.startswith("optimizer:"):
            _, number, key = name.split(":", 2)
            state[int(number)][key] = array
    groups = [
        {k: tuple(v) if _is_pair(k, v) else v for k, v in group.items()}
        for group in plain["param_groups"]
    ]
    return {"state": state, "param_groups": groups}


def _is_pair(key: str, value: Any) -> bool:
    """Whether a list was a tuple of numbers, such as betas."""
    lists = ("params", "param_names", "decay_filter")
    return key not in lists and isinstance(value, list)


def _part(path: Any, about: dict[str, str], name: str, one: Any) -> dict[str, Any]:
    """What the file holds of an optimizer or a scheduler, if it is of the same class."""
    if name not in about:
        raise ValueError(f"load: {path} holds no {name}")
    found: dict[str, Any] = json.loads(about[name])
    if found["class"] != type(one).__name__:
        raise ValueError(
            f"load: {path} holds a {found['class']}, but the {name} is a {type(one).__name__}"
        )
    return found


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    _safetensors()
    if not path.is_file():
        raise FileNotFoundError(f"load: there is no file {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"load: {path} is not a whole safetensors file: {error}") from None


def _write(path: Path, content: bytes) -> None:
    """All or nothing: whoever is interrupted leaves the old file as it was."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o666 & ~_umask())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _umask() -> int:
    """What new files are not allowed; a temporary file is private whatever it says."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _safetensors() -> Any:
    try:
        from safetensors import numpy as found
    except ImportError:
        raise ImportError(
            "checkpoints need the package safetensors: pip install 'thalweg[lab]'"
        ) from None
    return found
