"""Draw the pictures of the book again, each from the seed that stands in its script.

python -m scripts.pictures               all of them
python -m scripts.pictures schedules     those of one of the groups
python -m scripts.pictures gallery --to FOLDER

A test holds what is drawn anew to what is committed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt

from scripts import draw_book, draw_gallery, draw_landscape, draw_schedules

__all__ = ["DOCS", "GROUPS", "Group", "main"]

DOCS = Path(__file__).parents[1] / "docs"


@dataclass(frozen=True)
class Group:
    """Files of docs/ that are made together, and what makes them in a folder like it."""

    files: tuple[str, ...]
    draw: Callable[[Path], None]


def _schedules(folder: Path) -> None:
    draw_schedules.main(folder / "schedules")


def _each(pictures: dict[str, Callable[[Path], None]]) -> Group:
    def draw(folder: Path) -> None:
        for name, one in pictures.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            one(folder / name)

    return Group(tuple(pictures), draw)


GROUPS = {
    "schedules": Group(tuple(f"schedules/{name}" for name in draw_schedules.PICTURES), _schedules),
    "guide": _each(draw_book.PICTURES),
    "gallery": _each(draw_gallery.PICTURES),
    "landscape": Group(
        (*draw_landscape.FILMS, draw_landscape.BASINS, draw_landscape.PAGE), draw_landscape.draw
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--to", metavar="FOLDER", type=Path, default=DOCS, help="else docs/")
    asked = parser.parse_args()
    for name in asked.groups or GROUPS:
        if name not in GROUPS:
            parser.error(f"a group must be one of {', '.join(GROUPS)}, got {name!r}")
    plt.switch_backend("Agg")
    for name in asked.groups or GROUPS:
        GROUPS[name].draw(asked.to)


if __name__ == "__main__":
    main()
