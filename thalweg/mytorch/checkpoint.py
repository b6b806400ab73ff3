"""A training in one file: weights, the states of optimizer, scheduler and loader, random numbers.

The file is a `.safetensors` one: any library reads the weights from it, under their own names. The
optimizer's arrays lie beside them, as `optimizer:number:key`; all else is JSON in the metadata.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from thalweg.mytorch.data import DataLoader
from thalweg.mytorch.nn import Module
from thalweg.mytorch.optim import Optimizer
from thalweg.mytorch.random import get_rng_state, set_rng_state
from thalweg.whole_file import whole_file

__all__ = ["load", "save"]

_FORMAT = "thalweg.mytorch 1"
_STATE = "optimizer:"

_Path = str | os.PathLike[str]
_Arrays = dict[str, np.ndarray]


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
        if name.startswith(_STATE):
            raise ValueError(f"save: a weight's name must not begin with {_STATE!r}, got {name!r}")
    about: dict[str, Any] = {"random": get_rng_state()}
    if optimizer is not None:
        arrays, numbers, groups = _split(optimizer.state_dict())
        tensors |= arrays
        held = {"class": type(optimizer).__name__, "numbers": numbers, "param_groups": groups}
        about["optimizer"] = held
    if scheduler is not None:
        held = {"class": type(scheduler).__name__, "state": scheduler.state_dict()}
        about["scheduler"] = held
    if loader is not None:
        about["loader"] = {"seed": loader.seed, "epoch": loader.epoch}
    metadata = {"format": _FORMAT, **{name: _json(name, held) for name, held in about.items()}}
    metadata["crc32"] = _checksum(tensors, metadata)
    _write(Path(path), _safetensors().save(tensors, metadata))


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
    tensors, metadata = _read(path)
    parts = {"optimizer": optimizer, "scheduler": scheduler, "loader": loader}
    about = {
        name: _part(path, metadata, name, one) for name, one in parts.items() if one is not None
    }
    weights = {name: array for name, array in tensors.items() if not name.startswith(_STATE)}
    with _all_or_nothing(model, optimizer, scheduler):
        model.load_state_dict(weights)
        if optimizer is not None:
            optimizer.load_state_dict(_joined(about["optimizer"], tensors))
        if scheduler is not None:
            scheduler.load_state_dict(about["scheduler"]["state"])
        if optimizer is not None:
            set_rng_state(_part(path, metadata, "random"))
        if loader is not None:
            loader.seed, loader.epoch = about["loader"]["seed"], about["loader"]["epoch"]


@contextmanager
def _all_or_nothing(*parts: Any) -> Iterator[None]:
    """Undo what was loaded into any of them if something fails."""
    before = [(one, one.state_dict()) for one in parts if one is not None]
    try:
        yield
    except BaseException:
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


def _json(name: str, value: Any) -> str:
    try:
        return json.dumps(value, default=lambda number: number.item())
    except (TypeError, ValueError, AttributeError):
        raise TypeError(
            f"save: the state of the {name} must be numbers, words, lists and dicts beside its "
            f"arrays, got {value!r}"
        ) from None


def _split(
    state_dict: Mapping[str, Any],
) -> tuple[_Arrays, dict[int, dict[str, Any]], list[dict[str, Any]]]:
    """An optimizer's state: arrays by the name they get in the file, numbers, and groups."""
    arrays: _Arrays = {}
    numbers: dict[int, dict[str, Any]] = {}
    for number, held in state_dict["state"].items():
        numbers[number] = {k: v for k, v in held.items() if not isinstance(v, np.ndarray)}
        for key in held.keys() - numbers[number].keys():
            # safetensors writes memory as it lies, whatever the order of the axes
            arrays[f"{_STATE}{number}:{key}"] = np.array(held[key], order="C")
    return arrays, numbers, state_dict["param_groups"]


def _joined(about: Mapping[str, Any], tensors: _Arrays) -> dict[str, Any]:
    """The reverse of `_split`; JSON has made words of the numbers and lists of tuples."""
    state = {int(number): dict(held) for number, held in about["numbers"].items()}
    for name, array in tensors.items():
        if name.startswith(_STATE):
            _, number, key = name.split(":", 2)
            state.setdefault(int(number), {})[key] = array
    lists = ("params", "param_names", "decay_filter")
    groups = [
        {k: tuple(v) if isinstance(v, list) and k not in lists else v for k, v in group.items()}
        for group in about["param_groups"]
    ]
    return {"state": state, "param_groups": groups}


def _part(path: Path, metadata: Mapping[str, str], name: str, one: Any = None) -> Any:
    """What the file holds of an optimizer, a scheduler or a loader, if it is of the same class."""
    if name not in metadata:
        raise ValueError(f"load: {path} holds no {name}; load the model alone")
    found = json.loads(metadata[name])
    if found.get("class", type(one).__name__) != type(one).__name__:
        raise ValueError(
            f"load: {path} holds the state of {found['class']}, but the {name} is of the class "
            f"{type(one).__name__}"
        )
    return found


def _checksum(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """Of all a file holds; safetensors itself would not miss a bit."""
    found = zlib.crc32(json.dumps({**metadata, "crc32": ""}, sort_keys=True).encode())
    for name in sorted(tensors):
        about = f"{name} {tensors[name].dtype} {tensors[name].shape}"
        found = zlib.crc32(tensors[name].reshape(-1).data, zlib.crc32(about.encode(), found))
    return f"{found:08x}"


def _read(path: Path) -> tuple[_Arrays, dict[str, str]]:
    """The arrays and the metadata of a file, if it is whole."""
    _safetensors()
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        kind = "a folder" if path.is_dir() else "missing"
        raise FileNotFoundError(f"load: there must be a file at {path}, but it is {kind}")
    with path.open("rb"):  # what the system forbids is said by the system
        pass
    try:
        with safe_open(path, framework="numpy") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            metadata = dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"load: {path} is not a whole safetensors file: {error}") from None
    except (TypeError, AttributeError, KeyError) as error:
        raise ValueError(f"load: {path} holds numbers that NumPy does not have: {error}") from None
    if "crc32" in metadata and metadata["crc32"] != _checksum(tensors, metadata):
        raise ValueError(f"load: {path} is damaged: it is not what was saved")
    return tensors, metadata


def _write(path: Path, content: bytes) -> None:
    """All or nothing: whoever is interrupted leaves the old file as it was."""
    try:
        with whole_file(path) as file:
            file.write(content)
    except OSError as error:
        raise OSError(error.errno, f"save: {error.strerror}: nothing changed at {path}") from None


def _safetensors() -> Any:
    try:
        from safetensors import numpy as found
    except ImportError:
        raise ImportError(
            "checkpoints need the package safetensors: pip install 'thalweg[lab]'"
        ) from None
    return found
