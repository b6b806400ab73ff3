"""The folder of a run and its results.json."""

import itertools
import json
import math
import os
import platform
import re
import sys
import tempfile
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from thalweg import __version__
from thalweg.lab.contest import GRID, THREADS, TUNING_SEED, Contest, Entry
from thalweg.lab.errors import UserError
from thalweg.lab.network import SIZES
from thalweg.lab.summary import summarize
from thalweg.lab.training import EVALUATE_EVERY, TARGET, WARM_UP, Run
from thalweg.whole_file import whole_file

__all__ = ["CURVES", "RESULTS", "open_folder", "write_results"]

RESULTS = "results.json"
CURVES = "curves.png"

_RUNS = Path("runs")
_PACKAGES = {
    "mytorch": ("numpy", "numba", "scikit-learn"),
    "torch": ("numpy", "numba", "scikit-learn", "torch"),
}


def open_folder(command: str, name: str | None, out: str | None) -> Path:
    """Make the folder and prove that results can be written there, before any work is done."""
    folder = _choose_folder(command, name, out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"cannot write to {folder}: a file is in the way") from error
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from error
    for file in (RESULTS, CURVES):
        if (folder / file).exists() and not (folder / file).is_file():
            kind = "a folder" if (folder / file).is_dir() else "what is no file"
            raise UserError(f"cannot write {folder / file}: {kind} is in the way")
    return folder


def _choose_folder(command: str, name: str | None, out: str | None) -> Path:
    if out == "":
        raise UserError("--out must be the path of a folder, got ''")
    if name is None and out is None:
        return _new_folder(f"{command}-{datetime.now():%Y%m%d-%H%M%S}")
    if name is None:
        return Path(str(out))
    if out is not None:
        raise UserError("--name and --out both say where to write: give one of them")
    if name in ("", ".", "..") or Path(name).name != name:
        raise UserError(f"--name must be one plain name, got {name!r}; --out takes any path")
    return _RUNS / name


def _new_folder(name: str) -> Path:
    """Give a folder that is not there yet, though another run began in the same second."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(_RUNS / free for free in names if not (_RUNS / free).exists())


def write_results(
    path: Path, contest: Contest, backend: str, complete: bool, seconds: float
) -> None:
    """Write everything known about a contest; null stands for what is not finite or not there."""
    results = {
        "complete": complete,
        "backend": backend,
        "finished_at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "versions": _versions(backend),
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count(), "threads": THREADS},
        "settings": _settings(contest),
        "optimizers": {entry.name: _describe(entry) for entry in contest.entries},
    }
    text = json.dumps(_finite(results), indent=2, allow_nan=False)
    with whole_file(path) as file:
        file.write(f"{_join_numbers(text)}\n".encode())


def _versions(backend: str) -> dict[str, str]:
    packages = {package: _version(package) for package in _PACKAGES[backend]}
    return {"thalweg": __version__, "python": platform.python_version(), **packages}


def _version(package: str) -> str:
    """What a loaded module says of itself: its build too, which the metadata may leave out."""
    said = getattr(sys.modules.get(package), "__version__", None)
    return str(said or version(package))


def _settings(contest: Contest) -> dict[str, Any]:
    tuning, final = contest.tuning_task, contest.final_task
    return {
        **contest.budget._asdict(),
        "layers": SIZES,
        "images": {
            "train": len(final.labels),
            "test": len(final.held_labels),
            "tuning_train": len(tuning.labels),
            "tuning_validation": len(tuning.held_labels),
        },
        "grid": GRID,
        "tuning_seed": TUNING_SEED,
        "target_accuracy": TARGET,
        "evaluate_every": EVALUATE_EVERY,
        "untimed_steps": WARM_UP,
    }


def _describe(entry: Entry) -> dict[str, Any]:
    return {
        "settings": entry.contestant.settings,
        "lr": entry.lr,
        "lr_chosen": "lowest validation loss of the grid" if entry.tuned else "given",
        "lr_at_grid_edge": entry.edge,
        "trials": [asdict(trial) for trial in entry.trials],
        "summary": _summary(entry) if entry.runs else None,
        "runs": [_describe_run(run) for run in entry.runs],
    }


def _describe_run(run: Run) -> dict[str, Any]:
    """Call the held-out images by what they are here: the test."""
    described = asdict(run)
    described["curve"] = {_test(key): values for key, values in described["curve"].items()}
    return {_test(key): value for key, value in described.items()}


def _test(key: str) -> str:
    return key.replace("held_", "test_")


def _summary(entry: Entry) -> dict[str, Any]:
    return {
        key: value._asdict() if hasattr(value, "_asdict") else value
        for key, value in summarize(entry)._asdict().items()
    }


def _finite(value: Any) -> Any:
    """Replace every number that JSON cannot hold by None."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def _join_numbers(text: str) -> str:
    """Put each list of plain values on one line."""
    return re.sub(r"\[\n[^][{}]*\]", lambda found: " ".join(found[0].split()), text)
