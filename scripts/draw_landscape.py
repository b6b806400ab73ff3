"""Draw the films of README.md and the gallery: `python -m scripts.pictures landscape`.

They are those of `thalweg landscape`, smaller: together they stay under half a megabyte. The basins
and the page that is alive are of the same run.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageSequence

from scripts.draw_gallery import narrowed
from thalweg.lab.cli import app

DOCS = Path(__file__).parents[1] / "docs"
FILMS = ("landscape/contour.gif", "landscape/saddle.gif")
BASINS, PAGE = "gallery/basins.png", "gallery/landscape.html"
WIDTH = 440  # pixels
EVERY = 2  # frames


def smaller(film: Path, to: Path) -> None:
    """Every other frame of a film, each half as wide."""
    palette = Image.new("P", (1, 1))
    with Image.open(film) as opened:
        palette.putpalette(opened.getpalette() or [])  # greys, and the colours of the lines
        frames = [
            (frame.convert("RGB"), int(frame.info.get("duration", 40)))
            for frame in ImageSequence.Iterator(opened)
        ]
    *moving, (last, rest) = frames
    height = round(last.height * WIDTH / last.width)
    kept = [*moving[::EVERY], (last, rest)]
    pictures = [one.resize((WIDTH, height), Image.Resampling.LANCZOS) for one, _ in kept]
    short = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in pictures]
    durations = [EVERY * time for _, time in kept[:-1]] + [rest]
    short[0].save(
        to, save_all=True, append_images=short[1:], duration=durations, loop=0, optimize=True
    )


def draw(folder: Path) -> None:
    """Walk over the surfaces and keep the films, the basins and the page."""
    for name in (*FILMS, BASINS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        app(["landscape", "--out", made], standalone_mode=False)
        for name in FILMS:
            smaller(Path(made) / Path(name).name, folder / name)
        narrowed(Path(made) / Path(BASINS).name)
        for name in (BASINS, PAGE):
            shutil.copyfile(Path(made) / Path(name).name, folder / name)


def main(argv: Sequence[str] | None = None) -> None:
    given = sys.argv[1:] if argv is None else argv
    draw(Path(given[0]) if given else DOCS)


if __name__ == "__main__":
    main()
