"""MNIST and what comes in the same format, from files that are already there.

An IDX file is a magic number (0, 0, 8 for bytes, the number of axes), the length of each axis as a
big-endian 32-bit number, and the bytes.
"""

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from thalweg.mytorch.data.dataset import TensorDataset

__all__ = ["mnist"]

_GZIP = b"\x1f\x8b"
_KINDS = {1: "labels", 3: "images"}
_CLASSES = 10
_LARGEST = 2**31  # several times the largest set that is handed around in this format


def mnist(path: str | os.PathLike[str], train: bool = True) -> TensorDataset:
    """Images (N, 1, H, W) of float32 from 0 to 1 and labels 0 to 9, from a folder.

    It has train-images-idx3-ubyte and train-labels-idx1-ubyte or, for `train=False`, those that
    begin with t10k; each plain or as .gz.
    """
    prefix = "train" if train else "t10k"
    images_path = _find(Path(path), f"{prefix}-images", "idx3-ubyte")
    labels_path = _find(Path(path), f"{prefix}-labels", "idx1-ubyte")
    images, labels = _read(images_path, 3), _read(labels_path, 1)
    if len(images) != len(labels):
        raise ValueError(
            f"mnist: {images_path} has {len(images)} images, but {labels_path} has {len(labels)} "
            "labels: there must be as many"
        )
    if (labels >= _CLASSES).any():
        place = int(np.argmax(labels >= _CLASSES))
        raise ValueError(
            f"mnist: {labels_path}: labels must lie in 0 to {_CLASSES - 1}, got {labels[place]} at "
            f"index {place}"
        )
    return TensorDataset(images[:, None] / np.float32(255), labels.astype(np.int64))


def _find(folder: Path, stem: str, kind: str) -> Path:
    """The file under any of the names it is handed around by."""
    names = [f"{stem}{dot}{kind}{end}" for dot in "-." for end in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"mnist: {folder} must have a file {names[0]} or {names[1]}")


def _read(path: Path, axes: int) -> np.ndarray:
    """What an IDX file holds, of which no more is unpacked than its header promises."""
    start = 4 + 4 * axes
    try:
        with _opened(path) as file:
            header = file.read(start)
            _check_magic(path, header[:4], axes)
            if len(header) < start:
                raise ValueError(f"mnist: {path} is cut off within its header of {start} bytes")
            shape = tuple(int(n) for n in np.frombuffer(header, ">u4", axes, offset=4))
            size = " x ".join(map(str, shape)) + f" = {math.prod(shape)} bytes"
            if math.prod(shape) > _LARGEST:
                raise ValueError(
                    f"mnist: {path} must have no more than {_LARGEST} bytes, but its header "
                    f"promises {size}"
                )
            content = file.read(math.prod(shape))
            more = file.read(1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"mnist: {path} must be a whole gzip file, but: {error}") from None
    if more or len(content) < math.prod(shape):
        found = "more" if more else str(len(content))
        raise ValueError(f"mnist: {path} must have {size} after its header, got {found}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _check_magic(path: Path, magic: bytes, axes: int) -> None:
    if magic != bytes([0, 0, 8, axes]):
        known = _KINDS.get(magic[3]) if len(magic) == 4 and magic[:3] == b"\0\0\x08" else None
        raise ValueError(
            f"mnist: {path} must be an IDX file of {_KINDS[axes]}, which begins with the bytes "
            f"0 0 8 {axes}, got {' '.join(map(str, magic)) or 'an empty file'}"
            + (f": these are {known}" if known else "")
        )


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        is_packed = path.suffix == ".gz" or file.read(2) == _GZIP
    return cast(BinaryIO, gzip.open(path, "rb")) if is_packed else path.open("rb")
