"""Writes `docs/audit.md`: which well-known package computes something else than its paper.

    make audit                              in the environment of `make peers`
    .venv-peers/bin/python -m scripts.audit

The rows are those of `tests/peers/rows/`, which holds ours to all of them.
"""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import torch

from tests.peers.late import first_step_after, steps_by_itself
from tests.peers.packages import package_of, version_of
from tests.peers.row import STEPS, Row, farthest, path
from tests.peers.rows import ROWS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "audit.md"

LATE = 5  # steps that a gradient comes after the others

_INTRODUCTION = f"""# Other packages and their papers

Made by `scripts/audit.py`; `make audit` measures anew and writes it again.

Every optimizer that another package has too is run beside ours: {STEPS} steps in double over a
vector, a matrix and a convolution, or over matrices alone, with the same weights and gradients.
The rows are in `tests/peers/rows/`, with the settings of both sides, and `make peers` holds them.
Where the two are apart, `tests/peers/test_by_hand.py` has a case small enough to work out with
pencil and paper, which says whom the paper agrees with.

We owe these packages much: most of what is here was found because their authors wrote so many
optimizers down, openly and with care, and because almost all of it agrees. Some of what differs is
a choice, such as an option that is on. If a line is wrong or no longer so, that is our mistake, and
a change to this page is welcome.

## What differs

*From step* is the first whose weights are others; *apart* the largest difference after {STEPS}
steps, as a share of the way that the weights have gone.

| package | optimizer | what it does | from step | apart |
|---|---|---|---|---|
"""

_AGREEMENT = f"""
## What agrees

The largest difference of any weight in any of {STEPS} steps, under all the settings that were tried
with it. Where it is above 1e-10, the package keeps some number in single precision.

| package | optimizers | apart at most |
|---|---|---|
"""

_LATE = f"""
## A gradient that comes late

A parameter whose first gradient comes {LATE} steps after the others': the length of its first step
over that of the same step at the start. It is 1.00 in torch and in thalweg, where a parameter has a
count of its own. A count for a whole group takes a parameter for as old as the others.

| package | not 1.00 |
|---|---|
"""

_WRITES = """
## What becomes of `p.grad`

These leave another gradient behind than they were given, which whoever clips, logs or adds up
gradients after the step may meet. torch's own do not, nor do ours.

| package | optimizers |
|---|---|
"""


def page() -> str:
    """The text of the page, measured now."""
    differing = [_row_of(row) for row in _first([row for row in ROWS if row.differs])]
    parts = [_INTRODUCTION, *differing, _AGREEMENT, *_agreeing()]
    parts += [_LATE, *_latecomers(), _WRITES, *_writers()]
    return "".join(parts)


def _row_of(row: Row) -> str:
    ours, theirs = path(row.make_ours, row.shapes), _of_theirs(row)
    share = farthest(ours[-1], theirs[-1]) / farthest(ours[0], ours[-1])
    cells = [version_of(row.place), _class(row), row.differs, str(row.from_step), f"{share:.2g}"]
    return f"| {' | '.join(cells)} |\n"


def _class(row: Row) -> str:
    theirs = row.place.partition(":")[2]
    return theirs if theirs.lower() == row.name.lower() else f"{theirs} ({row.name})"


def _of_theirs(row: Row) -> list[list[torch.Tensor]]:
    with _quiet():
        return path(row.make_theirs, row.shapes)


@contextmanager
def _quiet() -> Iterator[None]:
    """What the packages print and warn of is theirs to say elsewhere."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _first(rows: Sequence[Row]) -> list[Row]:
    """One row for each optimizer of each package, by package and name."""
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        found.setdefault((package_of(row.place), _class(row)), row)
    return [found[key] for key in sorted(found, key=lambda key: (key[0].lower(), key[1].lower()))]


def _by_package(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: version_of(row.place).lower()):
        found.setdefault(version_of(row.place), []).append(row)
    return found


def _agreeing() -> Iterator[str]:
    for package, rows in _by_package([row for row in ROWS if not row.differs]).items():
        worst = 0.0
        for row in rows:
            ours, theirs = path(row.make_ours, row.shapes), _of_theirs(row)
            worst = max([worst, *map(farthest, ours, theirs)])
        yield f"| {package} | {_listed(map(_class, rows))} | {worst:.0e} |\n"


def _listed(names: Iterator[str] | map[str]) -> str:
    return ", ".join(sorted(set(names), key=str.lower))


def _latecomers() -> Iterator[str]:
    asked = [row for row in _first(ROWS) if steps_by_itself(row) and "optax" not in row.place]
    for package, rows in _by_package(asked).items():
        said = []
        for row in rows:
            with _quiet():
                late, usual = (
                    first_step_after(after, row.make_theirs, row.shapes).norm()
                    for after in (LATE, 0)
                )
            if usual > 0 and abs(late / usual - 1) > 0.005:
                said.append(f"{_class(row)} {late / usual:.2f}")
        yield f"| {package} | {', '.join(said) or 'none'} |\n"


def _writers() -> Iterator[str]:
    for package, rows in _by_package(
        [row for row in _first(ROWS) if "optax" not in row.place]
    ).items():
        names = [_class(row) for row in rows if _writes(row)]
        if names:
            yield f"| {package} | {', '.join(names)} |\n"


def _writes(row: Row) -> bool:
    """Whether a gradient is another one behind one of some steps."""
    generator = torch.Generator().manual_seed(1)
    params = [torch.randn(s, generator=generator).requires_grad_() for s in row.shapes]
    with _quiet():
        optimizer = row.make_theirs(params)
        if hasattr(optimizer, "train"):
            optimizer.train()
        for _ in range(4):
            given = [torch.randn(p.shape, generator=generator) for p in params]
            for p, g in zip(params, given, strict=True):
                p.grad = g.clone()
            optimizer.step()
            if any(
                p.grad is None or not torch.equal(p.grad, g)
                for p, g in zip(params, given, strict=True)
            ):
                return True
    return False


def main(arguments: Sequence[str], path: Path = PAGE) -> int:
    """Measure, and write the page. Returns the exit code."""
    if arguments:
        print("usage: audit", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    path.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
