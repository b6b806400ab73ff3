"""The folder of a run and its results.json."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import platform
import re
import sys
import tempfile
from dataclasses import asdict, fields
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from thalweg import __version__
from thalweg.lab.contest import Contest, Entry, Run, Trial
from thalweg.lab.errors import UserError
from thalweg.lab.search import GRID
from thalweg.lab.summary import summarize, target_of, verdict_of
from thalweg.lab.tasks.task import Task
from thalweg.lab.training import LOOKS, WARM_UP, Curve
from thalweg.whole_file import whole_file

__all__ = [
    "CURVES",
    "REPORT",
    "RESULTS",
    "RUNS",
    "About",
    "open_folder",
    "results",
    "versions",
    "write_results",
    "write_runs",
]

RESULTS = "results.json"
RUNS = "runs.csv"
CURVES = "curves.png"
REPORT = "report.html"

_RUNS = Path("runs")
_PACKAGES = {
    "mytorch": ("numpy", "llvmlite", "scikit-learn"),
    "torch": ("numpy", "llvmlite", "scikit-learn", "torch"),
}


def open_folder(
    command: str, name: str | None, out: str | None, is_gone_on_with: bool = False
) -> Path:
    """Make the folder and prove that results can be written there, before any work is done.

    Without a name, what is gone on with is the newest folder of the command.
    """
    folder = _newest(command) if is_gone_on_with and name is None and out is None else None
    folder = folder or _choose_folder(command, name, out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"cannot write to {folder}: a file is in the way") from error
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from error
    for file in (RESULTS, RUNS, CURVES, REPORT):
        if (folder / file).exists() and not (folder / file).is_file():
            kind = "a folder" if (folder / file).is_dir() else "what is no file"
            raise UserError(f"cannot write {folder / file}: {kind} is in the way")
    return folder


def _newest(command: str) -> Path:
    found = [path for path in _RUNS.glob(f"{command}-*") if path.is_dir()]
    if not found:
        raise UserError(
            f"--resume goes on with the newest folder {_RUNS}/{command}-*, and there is none; "
            "--name or --out says another"
        )
    return max(found, key=lambda path: path.stat().st_mtime_ns)


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


def write_results(path: Path, contest: Contest, about: About) -> dict[str, Any]:
    """Write everything known about a contest, and give it; null stands for what is not finite."""
    found = results(contest, about)
    text = json.dumps(found, indent=2, allow_nan=False)
    with whole_file(path) as file:
        file.write(f"{_join_numbers(text)}\n".encode())
    return found


def write_runs(path: Path, contest: Contest) -> None:
    """Write a row for each look of each run, for whoever draws or reckons for himself."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [field.name for field in fields(Curve)]
    writer.writerow(["optimizer", "seed", *columns])
    for entry in contest.entries:
        for seed, run in sorted(entry.runs.items()):
            curve = asdict(run.outcome.curve)
            for look in range(len(curve["step"])):
                values = [curve[name][look] if curve[name] else "" for name in columns]
                writer.writerow([entry.label, seed, *values])
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


class About(NamedTuple):
    """How a comparison was run: `command` is what repeats it."""

    backend: str
    complete: bool
    seconds: float
    command: str


def results(contest: Contest, about: About) -> dict[str, Any]:
    """Everything known about a contest, as plain values that JSON can hold."""
    verdict = verdict_of(contest)
    found = {
        "complete": about.complete,
        "command": about.command,
        "backend": about.backend,
        "finished_at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "seconds": round(about.seconds, 3),
        "versions": versions(about.backend),
        "machine": {
            "platform": platform.platform(),
            "processor": _processor(),
            "cpus": os.cpu_count(),
            "threads": contest.budget.threads,
        },
        "settings": _settings(contest),
        "verdict": {**asdict(verdict), "sentence": verdict.sentence},
        "optimizers": {entry.label: _describe(entry, contest) for entry in contest.entries},
    }
    plain: dict[str, Any] = _finite(found)
    return plain


def versions(backend: str) -> dict[str, str]:
    """The versions of all that the numbers may depend on."""
    packages = {package: _version(package) for package in _PACKAGES[backend]}
    return {"thalweg": __version__, "python": platform.python_version(), **packages}


def _version(package: str) -> str:
    """What a loaded module says of itself: its build too, which the metadata may leave out."""
    said = getattr(sys.modules.get(package), "__version__", None)
    return str(said or version(package))


def _processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _settings(contest: Contest) -> dict[str, Any]:
    task, target = contest.task, target_of(contest)
    return {
        **contest.budget._asdict(),
        "task": task.name,
        "data": task.fingerprint,
        "about_task": task.description,
        "metric": task.metric,
        "higher_is_better": task.is_higher_better,
        "grid": GRID,
        "tuning_seed": contest.budget.seed,
        "target": None if target is None else target.value,
        "target_given": target is not None and target.is_given,
        "looks": LOOKS,
        "untimed_steps": WARM_UP,
    }


def _describe(entry: Entry, contest: Contest) -> dict[str, Any]:
    setting = entry.setting
    given = entry.contestant.settings(setting or {}) if setting is not None else {}
    return {
        "name": entry.contestant.name,
        "settings": {
            key: value
            for key, value in {**entry.contestant.defaults, **given}.items()
            if key != "lr"
        },
        "lr": entry.lr,
        "lr_chosen": "given" if entry.contestant.lr is not None else "lowest validation loss",
        "lr_at_edge": entry.edge,
        "searched": None if entry.search is None else _searched(entry),
        "trials": [_trial(trial) for trial in _sorted(entry)],
        "summary": _summary(entry, contest) if entry.runs else None,
        "runs": [_run(run, contest.task) for _, run in sorted(entry.runs.items())],
    }


def _searched(entry: Entry) -> dict[str, Any]:
    assert entry.search is not None
    return {
        "by": "grid" if entry.search.is_grid else "tune",
        "ranges": {name: str(one) for name, one in entry.search.space.items()},
        "trials": entry.search.count if entry.closed is None else entry.closed,
        "widened_by": [one["lr"] for one in entry.further()],
    }


def _sorted(entry: Entry) -> list[Trial]:
    return sorted(entry.trials.values(), key=lambda trial: (trial.lr, trial.number))


def _trial(trial: Trial) -> dict[str, Any]:
    outcome = trial.outcome
    metrics = outcome.curve.validation_metric
    return {
        "number": trial.number,
        **trial.setting,
        "validation_loss": trial.validation_loss,
        "validation_metric": metrics[-1] if metrics else None,
        "diverged_at": outcome.diverged_at,
        "pruned_at": outcome.pruned_at,
    }


def _run(run: Run, task: Task) -> dict[str, Any]:
    """A run, with what is measured by its name: test_accuracy, say."""
    found = {"seed": run.seed, **asdict(run.outcome)}
    del found["pruned_at"]
    curve = found.pop("curve")
    curve["validation_metric"] = curve["validation_metric"] or None
    found["curve"] = {_named(key, task): values for key, values in curve.items() if values}
    return {_named(key, task): value for key, value in found.items()}


def _named(key: str, task: Task) -> str:
    return key.replace("_metric", f"_{task.metric or 'metric'}")


def _summary(entry: Entry, contest: Contest) -> dict[str, Any]:
    found = summarize(entry, contest.task, target_of(contest))._asdict()
    return {
        _named(key, contest.task): value._asdict() if hasattr(value, "_asdict") else value
        for key, value in found.items()
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
