"""The data that comes along and the user's files: arrays, split into three once and for all."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from thalweg.lab.errors import UserError

__all__ = ["SOURCES", "Part", "Table", "open_table"]

SOURCES = ("digits", "two-moons", "csv:PATH", "npz:PATH", "mnist:PATH")

_TEST_SHARE = 1 / 3
_VALIDATION_SHARE = 1 / 4
_SPLIT_SEED = 0

_MOONS = 1500
_MOONS_NOISE = 0.25

# Whole numbers of so many kinds are classes, and of more where they count from 0 without a gap and
# there are so many rows of each.
_FEW = 20
_ROWS = 5

# what a CSV's target column may be called, where it is not the last one
_TARGETS = ("target", "label", "class", "y")


class Part(NamedTuple):
    """Inputs (N, ...) of float32, and targets: (N,) of int64 for classes, else (N, outputs)."""

    inputs: np.ndarray
    targets: np.ndarray


class Table(NamedTuple):
    """Three parts that do not overlap, and how many classes there are: None for a regression."""

    name: str
    train: Part
    validation: Part
    test: Part
    classes: int | None

    @property
    def outputs(self) -> int:
        return self.classes or self.train.targets.shape[1]

    @property
    def fingerprint(self) -> str:
        """What tells this data from any other."""
        digest = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            for array in part:
                digest.update(repr((array.shape, array.dtype.str)).encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]


def open_table(source: str) -> Table:
    """Open `digits`, `two-moons`, or a file by its kind and path; raises UserError."""
    kind, colon, path = source.partition(":")
    makers = {"digits": _digits, "two-moons": _two_moons}
    readers = {"csv": _csv, "npz": _npz, "mnist": _mnist}
    if kind in makers and not colon:
        return makers[kind]()
    if kind not in readers or not path:
        raise UserError(f"--data must be one of {', '.join(SOURCES)}, got {source!r}")
    try:
        return readers[kind](Path(path))
    except UserError as error:
        raise UserError(f"--data {source}: {error}") from None
    except (OSError, ValueError, TypeError) as error:
        text = str(error).removeprefix(f"{kind}: ")
        raise UserError(f"--data {source}: {text}") from error


def _digits() -> Table:
    from thalweg.mytorch.data import digits

    learnt, test = (Part(*digits(train).arrays) for train in (True, False))
    train, validation = _halves(learnt, _VALIDATION_SHARE, classes=10)
    return Table("Handwritten digits", train, validation, test, 10)


def _two_moons() -> Table:
    from sklearn.datasets import make_moons

    inputs, targets = make_moons(_MOONS, noise=_MOONS_NOISE, random_state=_SPLIT_SEED)
    return _split("Two moons", inputs.astype(np.float32), targets.astype(np.int64))


def _csv(path: Path) -> Table:
    """A table whose target is the column of that name, or the last one."""
    from thalweg.mytorch.data import csv

    if not path.is_file():
        raise UserError(f"there is no file {path}")
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        names = [name.strip().strip('"') for name in file.readline().split(",")]
    by_lower = {name.lower(): name for name in names}
    target = next((by_lower[name] for name in _TARGETS if name in by_lower), names[-1])
    inputs, targets = csv(path, target).arrays
    return _split(path.name, inputs, targets)


def _npz(path: Path) -> Table:
    """Arrays `x` and `y`, or those of the names `x_train`, `y_train`, `x_test` and `y_test`."""
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name.lower(): file[name] for name in file.files}
    except Exception as error:  # a damaged archive fails in many ways
        raise UserError(f"cannot be read as an .npz file: {error}") from error
    if {"x", "y"} <= set(arrays):
        return _split(path.name, *_checked(arrays["x"], arrays["y"]))
    if {"x_train", "y_train", "x_test", "y_test"} <= set(arrays):
        learnt = _checked(arrays["x_train"], arrays["y_train"])
        test = _checked(arrays["x_test"], arrays["y_test"])
        together, classes = _labelled(np.concatenate([learnt[1], test[1]]))
        count = len(learnt[1])
        parts = Part(learnt[0], together[:count]), Part(test[0], together[count:])
        return _of_parts(path.name, *parts, classes)
    raise UserError(
        f"must have the arrays x and y, or x_train, y_train, x_test and y_test; it has "
        f"{', '.join(arrays) or 'none'}"
    )


def _checked(inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    for name, array in (("x", inputs), ("y", targets)):
        if array.dtype.kind not in "fiub":
            raise UserError(f"{name} must hold numbers, got the type {array.dtype}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise UserError(f"{name} must hold finite numbers, but some are not")
    if inputs.ndim < 2 or len(inputs) != len(targets):
        raise UserError(
            f"x must be (N, ...) and y have N rows too, got the shapes {inputs.shape} and "
            f"{targets.shape}"
        )
    if inputs.ndim == 3:  # images in grey
        inputs = inputs[:, None]
    scale = np.float32(255) if inputs.dtype == np.uint8 else np.float32(1)
    whole = targets.dtype.kind in "iub"
    return inputs.astype(np.float32) / scale, targets.astype(np.int64 if whole else np.float32)


def _mnist(path: Path) -> Table:
    from thalweg.mytorch.data import mnist

    if not path.is_dir():
        raise UserError(f"there is no folder {path}")
    learnt, test = (Part(*mnist(path, train).arrays) for train in (True, False))
    return _of_parts(path.name, learnt, test, classes=10)


def _split(name: str, inputs: np.ndarray, targets: np.ndarray) -> Table:
    targets, classes = _labelled(targets)
    learnt, test = _halves(Part(inputs, targets), _TEST_SHARE, classes)
    return _of_parts(name, learnt, test, classes)


def _of_parts(name: str, learnt: Part, test: Part, classes: int | None) -> Table:
    train, validation = _halves(learnt, _VALIDATION_SHARE, classes)
    parts = [train, validation, test]
    if classes is None:
        parts = _scaled_targets(parts)
    if train.inputs.ndim == 2:
        parts = _scaled_inputs(parts)
    return Table(name, parts[0], parts[1], parts[2], classes)


def _labelled(targets: np.ndarray) -> tuple[np.ndarray, int | None]:
    """Targets as classes 0, 1, …, if they are whole numbers of few kinds; else as they are."""
    if targets.dtype.kind != "i" or targets.ndim != 1:
        return targets, None
    kinds, places = np.unique(targets, return_inverse=True)
    counted = kinds[0] == 0 and kinds[-1] == len(kinds) - 1 and _ROWS * len(kinds) <= len(targets)
    if len(kinds) < 2 or not (len(kinds) <= _FEW or counted):
        return targets, None
    return places.reshape(-1).astype(np.int64), len(kinds)


def _halves(part: Part, share: float, classes: int | None) -> tuple[Part, Part]:
    """Two parts, the second a share of the whole; each class in proportion, where it is large."""
    from sklearn.model_selection import train_test_split

    inputs, targets = part
    if len(inputs) < 8:
        raise UserError(f"there must be at least 8 rows to split them, got {len(inputs)}")
    even = classes is not None and np.bincount(targets)[np.unique(targets)].min() >= 4
    one, other, one_targets, other_targets = train_test_split(
        inputs,
        targets,
        test_size=share,
        stratify=targets if even else None,
        random_state=_SPLIT_SEED,
    )
    return Part(one, one_targets), Part(other, other_targets)


def _scaled_inputs(parts: list[Part]) -> list[Part]:
    """Columns of mean 0 and deviation 1, both of what is learnt from."""
    mean, std = _mean_and_deviation(parts[0].inputs)
    return [Part(((x - mean) / std).astype(np.float32), y) for x, y in parts]


def _scaled_targets(parts: list[Part]) -> list[Part]:
    """Quantities of mean 0 and deviation 1, in columns."""
    columns = [Part(x, y.reshape(len(y), -1).astype(np.float64)) for x, y in parts]
    mean, std = _mean_and_deviation(columns[0].targets)
    return [Part(x, ((y - mean) / std).astype(np.float32)) for x, y in columns]


def _mean_and_deviation(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    std = columns.std(axis=0, dtype=np.float64)
    return columns.mean(axis=0, dtype=np.float64), np.where(std > 0, std, 1.0)
