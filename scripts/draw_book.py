"""Draw the pictures of the book's guide: `python scripts/draw_book.py [FOLDER]`.

What is drawn is what the page's own blocks have computed, with the seed that stands there.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

DOCS = Path(__file__).parents[1] / "docs"


def run(page: Path) -> dict[str, Any]:
    """The names that a page's blocks of Python leave behind."""
    names: dict[str, Any] = {}
    for block in re.findall(
        r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S
    ):
        exec(compile(block, page.name, "exec"), names)
    return names


def draw_three(path: Path) -> None:
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for name, history in run(DOCS / "mytorch-from-zero.md")["histories"].items():
        axes.plot(range(1, len(history) + 1), history.loss, label=name)
    axes.set(xlabel="epoch", ylabel="training loss", yscale="log")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.savefig(path, dpi=120)


def main(folder: Path = DOCS / "mytorch") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    draw_three(folder / "three.png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
