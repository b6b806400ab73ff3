"""Writes docs/evidence.md: which optimizers could be told apart on small tasks, and which not.

    python -m scripts.write_evidence            write it anew, of benchmarks/evidence/results
    python -m scripts.write_evidence --check    say whether it is current, and change nothing

`python -m benchmarks.evidence.run` makes the results, a file for each task that is finished.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.evidence.protocol import (
    BASELINE,
    OPTIMIZERS,
    RESULTS,
    SEEDS,
    TASKS,
    TRIALS,
)
from thalweg.lab.search import Search

PAGE = Path(__file__).resolve().parents[1] / "docs" / "evidence.md"

Result = Mapping[str, Any]

_INTRODUCTION = """# Evidence

Made by `scripts/write_evidence.py` out of `benchmarks/evidence/results/`; change those rather than
this page.

{count} optimizers, small tasks, and one protocol: what follows is true on these tasks, at these
sizes, and says nothing of others. Studies of larger ones are on [choosing](choosing.md).

## The protocol

- Each optimizer has the same {trials} trials for each task, of lr (from 1e-5 to 1), weight decay
  and its momentum or betas, from the same ranges. {baseline}, the baseline, is tuned as all others
  are. A best lr at the edge of its range is followed by {wider} trials beyond it, whoever it is of.
- A setting is chosen by the loss on the validation split, with one seed. With it go {seeds} other
  seeds, and each looks at the test split once, at its end.
- The learning rate of all rises for a tenth of the steps and then falls to zero along a cosine.
  Rules that are made to do without a schedule, Schedule-Free's, are therefore not among them.
- Muon moves the matrices, and AdamW with its own defaults the rest, at the same lr.
- In the same seed all start from the same weights and see the same batches. The verdict pairs the
  runs by seed; [how it judges](compare.md) is `thalweg compare`'s, whose library does all of this.
- The trainings are short, a few hundred steps: what is ahead early may fall behind later.

What is searched, as `thalweg compare` reads it:

```text
{searched}
```

## The tasks

"""

_COLUMNS = """*Behind the first by* is the interval of 95 % of that one pair; the verdict corrects
for the number of all pairs, and is the stricter. Steps to the target are those after which
validation first reached the value where the middle one of the optimizers ends (95 % for the
digits), in the mean of the seeds that reached it, with how many those are where it is not all.
Times are those of forward, backward and step, medians over the seeds, as factors of {baseline}'s
in the same run. They were taken on a machine that others used meanwhile: their order of magnitude
is all that they are good for. *(edge)* stands where the best lr was still at an end of the
widened range.
"""

_LIMITS = """## What is not known from this

- Other sizes: the largest of these networks has some tens of thousands of weights.
- Longer trainings, other schedules, other batch sizes: one of each was tried.
- More than {trials} trials. A rule with more settings has a larger space to search with as many.
- All other rules.

`python -m benchmarks.evidence.run` does the same again: about an hour on one core that nobody else
uses. It may be ended at any time; the same command goes on.
"""


def results() -> dict[str, Result]:
    """What is finished, by the name of its task, in the protocol's order."""
    paths = {name: RESULTS / f"{name}.json" for name in TASKS}
    return {
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in paths.items()
        if path.exists()
    }


def page(found: Mapping[str, Result]) -> str:
    """The text of the page."""
    told = dict(
        count=_number(len(OPTIMIZERS)),
        trials=TRIALS,
        seeds=SEEDS,
        baseline=BASELINE,
        wider=Search({}, TRIALS, is_grid=False).widened,
        searched="\n".join(OPTIMIZERS),
    )
    parts = [_INTRODUCTION.format(**told) + _tasks(found)]
    if found:
        parts += ["## Over all of them\n\n" + _over_all(found)]
        parts += ["## Task by task\n\n" + _COLUMNS.format(**told)]
        parts += [_task(one) for one in found.values()]
    return "\n".join([*parts, _LIMITS.format(**told)])


def _number(count: int) -> str:
    return {8: "Eight", 9: "Nine", 10: "Ten"}.get(count, str(count))


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _tasks(found: Mapping[str, Result]) -> str:
    rows = []
    for name, task in TASKS.items():
        done = found.get(name)
        if done is None:
            rows.append([task.title, "", "", "not run"])
            continue
        about = done["settings"]["about_task"].rpartition("py:task: ")[2]
        judged = done["judged_by"]
        best = f"{judged['name']}, {'higher' if judged['higher'] else 'lower'} is better"
        rows.append([task.title, about, best, done["finished_at"][:10]])
    missing = len(TASKS) - len(found)
    which = "one" if missing == 1 else f"{missing}"
    said = f"\nOf {which} of them there are no results yet: the time was over before.\n"
    return _table(["task", "", "judged by", "finished"], rows) + (said if missing else "")


def _over_all(found: Mapping[str, Result]) -> str:
    names = list(next(iter(found.values()))["optimizers"])
    first, beside, behind, out = (
        {name: sum(_stands(one, name) == where for one in found.values()) for name in names}
        for where in ("first", "beside", "behind", "out")
    )
    order = sorted(names, key=lambda name: (-first[name], -beside[name], names.index(name)))
    rows = [
        [name, *(str(counts[name] or "") for counts in (first, beside, behind, out))]
        for name in order
    ]
    several = f"{len(found)} tasks" if len(found) > 1 else "one task"
    return (
        f"On {several}: how often an optimizer was better than every other, how often no\n"
        "difference between it and the first could be told, how often it was behind, how often\n"
        "it diverged. Whoever is first where no difference can be told is among the first.\n\n"
        + _table(["", "better than all", "among the first", "behind", "diverged"], rows)
    )


def _stands(one: Result, name: str) -> str:
    """Where an optimizer stands by the verdict on a task."""
    verdict = one["verdict"]
    if name in verdict["left_out"]:
        return "out"
    if name == verdict["winner"]:
        return "first"
    return "behind" if name in verdict["behind"] else "beside"


def _task(one: Result) -> str:
    judged, settings = one["judged_by"], one["settings"]
    key = f"test_{judged['name']}"
    places = {name: i for i, name in enumerate(_order(one))}
    apart = {each["label"]: each for each in one["verdict"]["differences"]}
    rows = [
        [
            name,
            _spread(told["summary"][key], judged),
            _apart(apart.get(name), judged),
            _steps(told["summary"], one["verdict"]["seeds"]),
            _beside(one, name, lambda run: run["to_target"]["seconds"]),
            _beside(one, name, lambda run: run["iteration_seconds"]),
            f"{told['lr']:.2g}{' (edge)' if told['lr_at_edge'] else ''}",
        ]
        for name, told in sorted(one["optimizers"].items(), key=lambda pair: places[pair[0]])
    ]
    headings = [
        "", f"test {judged['name']}", "behind the first by", f"steps to {settings['target']:g}",
        "time to it", "time of a step", "lr",
    ]  # fmt: skip
    machine = one["machine"]
    where = f"{one['finished_at'][:10]}, {machine['processor']}, on one thread"
    return f"### {one['title']}\n\n{sentence(one)}\n\n{_table(headings, rows)}\n*{where}.*\n"


def sentence(one: Result) -> str:
    """The verdict in words, for a reader who has no command line before him."""
    return re.sub(r"--seeds (\d+)", r"\1 seeds", one["verdict"]["sentence"])


def _order(one: Result) -> list[str]:
    verdict = one["verdict"]
    judged = [verdict["first"], *(each["label"] for each in verdict["differences"])]
    return [*filter(None, judged), *verdict["left_out"]]


def _scaled(judged: Mapping[str, Any]) -> tuple[float, str]:
    """Shares in percent; of a loss the digits are what they are."""
    return (100, ".2f") if judged["name"] == "accuracy" else (1, ".4g")


def _spread(spread: Mapping[str, Any], judged: Mapping[str, Any]) -> str:
    if spread["mean"] is None:
        return "diverged"
    scale, form = _scaled(judged)
    half = f" ± {spread['half'] * scale:.2g}" if spread["half"] is not None else ""
    return f"{spread['mean'] * scale:{form}}{half}"


def _apart(one: Mapping[str, Any] | None, judged: Mapping[str, Any]) -> str:
    """The interval of 95 %, as it is judged: seed by seed."""
    if one is None:
        return ""
    scale, _ = _scaled(judged)
    return " to ".join(f"{one[end] * scale:.2g}" for end in ("low", "high"))


def _steps(summary: Mapping[str, Any], seeds: int) -> str:
    spread = summary["steps_to_target"]
    if spread is None or spread["mean"] is None:
        return f"none of {seeds}"
    reached = summary["reached_target"]
    return f"{spread['mean']:.0f}" + (f" ({reached} of {seeds})" if reached < seeds else "")


def _beside(one: Result, name: str, time_of: Callable[[Result], float | None]) -> str:
    """The median of a time over the seeds, as a factor of the baseline's."""
    ours, theirs = (
        [time for run in one["optimizers"][each]["runs"] if (time := time_of(run)) is not None]
        for each in (name, BASELINE)
    )
    return f"{statistics.median(ours) / statistics.median(theirs):.1f}" if ours and theirs else ""


def main(arguments: Sequence[str], path: Path = PAGE) -> int:
    """Write the page; with `--check`, only compare. Returns the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: write_evidence [--check]", file=sys.stderr)
        return 2
    text = page(results())
    if not arguments:
        path.write_text(text, encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != text:
        print(f"{path.name} is not current: python -m scripts.write_evidence", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
