"""The file of a checkpoint: safetensors, with a checksum over all it holds."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from thalweg.whole_file import whole_file

__all__ = ["read_file", "write_file"]

_FORMAT, _CHECKSUM = "format", "crc32"
_OURS = "thalweg.mytorch"
_VERSION = f"{_OURS} 1"

_Arrays = dict[str, np.ndarray]


def write_file(path: Path, tensors: _Arrays, parts: Mapping[str, str]) -> None:
    """All or nothing: whoever is interrupted leaves the old file as it was."""
    metadata = {_FORMAT: _VERSION, **parts}
    metadata[_CHECKSUM] = _checksum(tensors, metadata)
    content = _safetensors().save(tensors, metadata)
    try:
        with whole_file(path) as file:
            file.write(content)
    except OSError as error:
        raise OSError(error.errno, f"save: {error.strerror}: nothing changed at {path}") from None


def read_file(path: Path) -> tuple[_Arrays, dict[str, str]]:
    """The arrays and the metadata of a file, if it is whole and of a format known here."""
    _safetensors()
    from safetensors import SafetensorError, safe_open

    if not path.is_file():  # also what is no regular file: a pipe would be waited for
        kind = "a folder" if path.is_dir() else "no regular file" if path.exists() else "missing"
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
    except MemoryError:
        raise ValueError(f"load: {path} holds more than the memory can take") from None
    _check(path, tensors, metadata)
    return tensors, metadata


def _check(path: Path, tensors: _Arrays, metadata: Mapping[str, str]) -> None:
    """Raise unless all is as it was saved, or was never ours."""
    version = metadata.get(_FORMAT, "")
    if version.startswith(_OURS) and version != _VERSION:
        raise ValueError(
            f"load: {path} must be of the format {_VERSION!r}, got {version!r}: "
            "another version of thalweg wrote it"
        )
    is_ours = version == _VERSION or (not version and "random" in metadata)
    if is_ours and not (_CHECKSUM in metadata and version):
        lost = _FORMAT if _CHECKSUM in metadata else _CHECKSUM
        raise ValueError(f"load: {path} is damaged: its metadata lacks {lost!r}")
    if _CHECKSUM in metadata and metadata[_CHECKSUM] != _checksum(tensors, metadata):
        raise ValueError(f"load: {path} is damaged: it is not what was saved")


def _checksum(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """Of all a file holds; safetensors itself would not miss a bit."""
    found = zlib.crc32(json.dumps({**metadata, _CHECKSUM: ""}, sort_keys=True).encode())
    for name in sorted(tensors):
        about = f"{name} {tensors[name].dtype} {tensors[name].shape}"
        found = zlib.crc32(tensors[name].reshape(-1).data, zlib.crc32(about.encode(), found))
    return f"{found:08x}"


def _safetensors() -> Any:
    try:
        from safetensors import numpy as found
    except ImportError:
        raise ImportError(
            "checkpoints need the package safetensors: pip install 'thalweg[lab]'"
        ) from None
    return found
