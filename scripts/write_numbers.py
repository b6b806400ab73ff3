"""Writes the tables of times on some pages, README among them, out of `benchmarks/results/`.

python scripts/write_numbers.py            write them anew
python scripts/write_numbers.py --check    say whether they are those of the files

A table stands between `<!-- numbers: NAME -->` and `<!-- end -->`; NAME is one of `TABLES`, which
says of which file it is; the script of the same name under `benchmarks/` writes that with `--json`.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "measured.md",
    ROOT / "docs" / "frameworks.md",
    ROOT / "docs" / "kernel-cache.md",
    ROOT / "docs" / "offload.md",
    ROOT / "benchmarks" / "README.md",
)
RESULTS = ROOT / "benchmarks" / "results"

Result = Mapping[str, Any]
Sides = Mapping[str, Mapping[str, float]]  # of each side the median, in seconds, and more

_SCRIPTS = ("public_scripts",)  # that write results and are no benchmarks
_WITH = {"offload_one_set": "offload.py --one-set --millions 1000"}  # a script's other results

_BLOCK = re.compile(r"(<!-- numbers: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_OURS = ("ours", "floor", "our RAdam")
_CALLED = {"AdamW": "AdamW fused"}  # beside what torch does not have


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _shown(seconds: float, scale: float) -> str:
    """Three digits are more than a run is good for."""
    value = seconds * scale
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _time(side: Mapping[str, float]) -> float:
    """The number that its script compares."""
    return side.get("lower_decile", side["median"])


def _best(sides: Sides) -> str:
    """The quickest of torch's forms."""
    return min((s for s in sides if s not in _OURS), key=lambda s: _time(sides[s]))


def _ratio(sides: Sides) -> str:
    """How much longer the quickest of torch's takes than ours."""
    return f"{_time(sides[_best(sides)]) / _time(sides['ours']):.2f}"


def _row(name: str, sides: Sides, scale: float) -> list[str]:
    best = _best(sides)
    theirs = f"{_shown(_time(sides[best]), scale)} ({_CALLED.get(best, best)})"
    return [name, _shown(_time(sides["ours"]), scale), theirs, _ratio(sides)]


def _where(result: Result) -> str:
    """When and on what a file was measured."""
    machine, versions = result["machine"], result["versions"]
    busy = machine.get("used_by_others") or 0.0
    words = (
        f"{result['date'][:10]}, {machine['processor']}, {machine['cores']} cores, "
        f"torch {versions['torch']}; others used {busy:.0%} of it meanwhile."
    )
    return f"\n*{words}*\n"


def _in_us(rows: Mapping[str, Sides], result: Result) -> str:
    made = [_row(name, sides, 1e6) for name, sides in rows.items()]
    return _table(["", "ours, µs", "torch's best", "best / ours"], made) + _where(result)


def six_tensors(result: Result) -> str:
    """Each family on six tensors."""
    return _in_us(result["seconds"]["six tensors"], result)


def small_work(result: Result) -> str:
    """What else is small."""
    rows = {
        f"{case}: {name}": sides
        for case, families in result["seconds"].items()
        for name, sides in families.items()
        if case != "six tensors"
    }
    return _in_us(rows, result)


def as_measured(result: Result) -> str:
    """One line for each case."""
    return _in_us(result["seconds"], result)


def step_time(result: Result) -> str:
    """Each family on GPT-2's shapes, and the ratio on thousands of small tensors."""
    large, small = (result["shapes"][shapes] for shapes in ("gpt2", "small"))
    rows = []
    for name, measured in large.items():
        sides = measured["seconds"]
        floor = _shown(_time(sides["floor"]), 1e3)
        title, ours, theirs, factor = _row(name, sides, 1e3)
        rows.append([title, ours, floor, theirs, factor, _ratio(small[name]["seconds"])])
    headings = ["", "ours, ms", "floor", "torch's best", "best / ours", "on small tensors"]
    return _table(headings, rows) + _where(result)


def first_step(result: Result) -> str:
    """A fresh process without and with kernels on disk."""
    rows = []
    for case, parts in result["seconds"].items():
        name, _, cache = case.partition(", ")
        if cache != "cold cache":
            continue
        warm = result["seconds"][f"{name}, warm cache"]
        both = [statistics.median(one["first step"]) for one in (parts, warm)]
        llvm = statistics.median(parts["import LLVM"])
        rows.append([name, *(f"{x:.2f}" for x in (*both, both[0] - both[1], llvm))])
    headings = ["", "without, s", "with kernels on disk", "difference", "of it LLVM's import"]
    return _table(headings, rows) + _where(result)


def offload_one_set(result: Result) -> str:
    """AdamW of all on the same tensors, with the same states."""
    rows = []
    for case, sides in result["seconds"].items():
        kind = case.partition(",")[0]
        for name, side in sides.items():
            title = "ours" if name == "AdamW" else name
            ratio = side["median"] / sides["AdamW"]["median"]
            rows.append([kind, title, f"{side['median']:.2f}", f"{ratio:.2f}"])
    headings = ["", f"{result['millions']} M parameters", "s a step", "of our time"]
    return _table(headings, rows) + _where(result)


def public_scripts(result: Result) -> str:
    """Whole scripts under both libraries: how far the losses agree, and the times."""
    rows = []
    for name, one in result["scripts"].items():
        first = one["with_torch"]["first"]
        rows.append(
            [
                f"`{name}`",
                one["optimizers"],
                f"{one['start']:.3g} to {one['end']:.3g}",
                "none" if first is None else str(first),
                *(_digits(one[key]) for key in ("with_torch", "torch_nudged")),
                f"{one['ratio']:.2f}",
            ]
        )
    headings = ["script", "optimizer", "loss", "first other loss", "digits that agree"]
    headings += ["torch's own, nudged", "time / torch's"]
    return _table(headings, rows) + _where(result)


def _digits(found: Mapping[str, Any]) -> str:
    return "all" if found["first"] is None else f"{found['digits']:.1f}"


TABLES: dict[str, tuple[str, Callable[[Result], str]]] = {
    "around_the_step": ("around_the_step", as_measured),
    "first_step": ("first_step", first_step),
    "offload_one_set": ("offload_one_set", offload_one_set),
    "public_scripts": ("public_scripts", public_scripts),
    "six_tensors": ("small_step", six_tensors),
    "small_training": ("small_training", as_measured),
    "small_work": ("small_step", small_work),
    "step_time": ("step_time", step_time),
}


def written(page: str) -> str:
    """A page with its tables as the files have them."""

    def block(found: re.Match[str]) -> str:
        name = found[2]
        if name not in TABLES:
            raise SystemExit(f"write_numbers: a table must be one of {sorted(TABLES)}, got {name}")
        file, table = TABLES[name]
        path = RESULTS / f"{file}.json"
        if not path.exists():
            place = path.relative_to(ROOT)
            raise SystemExit(
                f"write_numbers: {place} must be there for the table {name}; "
                f"{_command(file)} --json {place} makes it"
            )
        result = json.loads(path.read_text(encoding="utf-8"))
        return f"{found[1]}\n{table(result)}\n{found[3]}"

    return _BLOCK.sub(block, page)


def _command(file: str) -> str:
    if file in _SCRIPTS:
        return f"python -m scripts.{file}"
    return f"python benchmarks/{_WITH.get(file, f'{file}.py')}"


def main() -> None:
    for page in PAGES:
        now = page.read_text(encoding="utf-8")
        made = written(now)
        if sys.argv[1:] != ["--check"]:
            page.write_text(made, encoding="utf-8")
        elif made != now:
            raise SystemExit(
                f"{page.name}: the tables must be those of benchmarks/results; "
                "python scripts/write_numbers.py writes them"
            )


if __name__ == "__main__":
    main()
