"""Compare optimizers on small tasks by one protocol, for docs/evidence.md.

python -m benchmarks.evidence.run              every task, one after the other
python -m benchmarks.evidence.run digits-mlp   one of them

From the root of the checkout, in the environment of `make bench`. Ctrl-C ends it, and the same
command goes on from there; what is finished is in runs/evidence-TASK. A task that is complete is
written to benchmarks/evidence/results, of which `python -m scripts.write_evidence` makes the page.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.evidence.protocol import OPTIMIZERS, RESULTS, TASKS, Sized
from thalweg.lab.contest import Contest
from thalweg.lab.contestants import enter
from thalweg.lab.interrupt import catch_interrupt
from thalweg.lab.ledger import open_journal
from thalweg.lab.playing import Clock, play
from thalweg.lab.results import About, results
from thalweg.lab.training import Outcome
from thalweg.whole_file import whole_file

COMMAND = "python -m benchmarks.evidence.run"
RUNS = Path("runs")


def compare(name: str, jobs: int) -> int:
    """Go on with a task, and write it if it is complete; gives the exit code."""
    task, folder, clock = TASKS[name], RUNS / f"evidence-{name}", Clock()
    contest = Contest(enter(OPTIMIZERS, ()), task.budget, task.source.open())
    folder.mkdir(parents=True, exist_ok=True)
    with (
        catch_interrupt() as interrupted,
        open_journal(folder, _header(contest), resume=True) as journal,
    ):
        for event in play(contest, task.source, journal, jobs, clock, interrupted):
            if isinstance(event.news, Outcome):
                who = contest.entry(event.unit.label).contestant.name
                done = f"{contest.finished} of {contest.total}"
                told = f"{who}, {event.unit.kind} {event.unit.number}"
                print(f"{name}, {done}: {told}", file=sys.stderr, flush=True)
        if not contest.is_over:
            return 128 + interrupted()
    about = About(task.source.backend, True, clock.seconds, f"{COMMAND} {name}")
    write(RESULTS / f"{name}.json", shortened(results(contest, about), task))
    return 0


def _header(contest: Contest) -> dict[str, Any]:
    """What decides the numbers: a journal of anything else is not gone on with."""
    task, budget = contest.task, contest.budget._asdict()
    return {"task": task.name, "data": task.fingerprint, **budget, "optimizers": [*OPTIMIZERS]}


def shortened(found: dict[str, Any], task: Sized) -> dict[str, Any]:
    """A comparison without the curve of each seed: of those the mean."""
    by_name = {one["name"]: one for one in found["optimizers"].values()}
    labels = {label: one["name"] for label, one in found["optimizers"].items()}
    target = found["settings"]["target"]
    judged = _judged(found)
    return {
        "title": task.title,
        **{key: found[key] for key in ("command", "finished_at", "versions")},
        "machine": {key: found["machine"][key] for key in ("processor", "cpus", "threads")},
        "settings": found["settings"],
        "judged_by": judged,
        "verdict": _named(found["verdict"], labels),
        "optimizers": {
            name: {
                **{key: value for key, value in one.items() if key not in ("name", "runs")},
                "curve": _mean(one["runs"], judged),
                "runs": [_run(run, target, judged) for run in one["runs"]],
            }
            for name, one in by_name.items()
        },
    }


def _judged(found: dict[str, Any]) -> dict[str, Any]:
    """The name of what decides, and which way is better."""
    settings = found["settings"]
    metric = settings["metric"] or "loss"
    return {"name": metric, "higher": bool(settings["metric"]) and settings["higher_is_better"]}


def _named(verdict: dict[str, Any], labels: dict[str, str]) -> dict[str, Any]:
    """With names in the place of labels, which hold every range."""
    text = json.dumps(verdict)
    for label in sorted(labels, key=len, reverse=True):
        text = text.replace(json.dumps(label)[1:-1], labels[label])
    plain: dict[str, Any] = json.loads(text)
    return plain


def _mean(runs: list[dict[str, Any]], judged: dict[str, Any]) -> dict[str, list[float]]:
    """What was seen of validation at each step that all runs have looked at."""
    seen = [run["curve"][f"validation_{judged['name']}"] for run in runs]
    count = min(map(len, seen))
    means = [statistics.fmean(one[look] for one in seen) for look in range(count)]
    return {
        "step": runs[0]["curve"]["step"][:count],
        judged["name"]: [float(f"{one:.4g}") for one in means],
    }


def _run(run: dict[str, Any], target: float, judged: dict[str, Any]) -> dict[str, Any]:
    """One seed: its scores, and when it reached the target."""
    curve = run["curve"]
    sign = 1 if judged["higher"] else -1
    seen = curve[f"validation_{judged['name']}"]
    look = next((i for i, one in enumerate(seen) if sign * one >= sign * target), None)
    kept = {key: value for key, value in run.items() if key not in ("curve", "weight_count")}
    reached = {key: None if look is None else curve[key][look] for key in ("step", "seconds")}
    return {**kept, "to_target": reached}


def write(path: Path, content: dict[str, Any]) -> None:
    """Each list of plain values and each run on a line of its own."""
    text = json.dumps(content, indent=1)
    text = re.sub(r"[\[{]\n[^][{}]*[\]}]", lambda found: " ".join(found[0].split()), text)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(f"{text}\n".encode())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"of {', '.join(TASKS)}")
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help="trainings at a time")
    asked = parser.parse_args()
    for name in asked.tasks or TASKS:
        if name not in TASKS:
            parser.error(f"a task must be one of {', '.join(TASKS)}, got {name!r}")
    for name in asked.tasks or TASKS:
        code = compare(name, asked.jobs)
        if code != 0:
            return code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
