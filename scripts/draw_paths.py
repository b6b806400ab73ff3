"""Where each optimizer goes on one surface, for the pictures of the reference.

python -m scripts.draw_paths            walk all again, and write scripts/paths.json
python -m scripts.draw_paths Lion Adam  of these alone

It takes minutes, so what it finds is kept; the book draws it as it is built. The surface, its start
and the search of a rate are those of `thalweg landscape`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["FILE", "contours", "drawing", "kept", "walked"]

FILE = Path(__file__).parent / "paths.json"
SURFACE, RATES = "beale", 16
WIDTH = 480  # of the drawing
PLACES = 2  # digits behind the point, in units of the surface a hundredth
LEVELS = np.geomspace(0.05, 500, 10)


def walked(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The path of each that can walk over a surface, its rate, and the value at its end."""
    from thalweg.lab.landscape.entrants import entrants
    from thalweg.lab.landscape.race import Plan, race
    from thalweg.lab.landscape.surfaces import SURFACES

    surface = SURFACES[SURFACE]
    found = race(surface, entrants(names), Plan(surface.start, surface.steps, RATES))
    return {
        run.entrant.name: {
            "lr": float(f"{run.tuned.lr:.2g}"),
            "value": float(f"{run.values[-1]:.2g}"),
            "places": np.round(run.places, PLACES).tolist(),
        }
        for run in found.runs
        if not run.diverged
    }


def who_can() -> list[str]:
    """The optimizers that a point is enough for."""
    from thalweg.lab.landscape.entrants import out_of_place
    from thalweg.optimizers import OPTIMIZERS

    return [name for name, made in OPTIMIZERS.items() if not out_of_place(made)]


def contours() -> dict[str, Any]:
    """The lines of equal height in the window that the command looks at."""
    import matplotlib.pyplot as plt

    from thalweg.lab.landscape.surfaces import SURFACES

    surface = SURFACES[SURFACE]
    left, right, low, high = surface.window
    x, y = np.meshgrid(np.linspace(left, right, 61), np.linspace(low, high, 61))
    drawn = plt.contour(x, y, surface.height(np.stack([x, y], axis=-1)), LEVELS)
    plt.close("all")
    lines = [np.round(line, PLACES).tolist() for level in drawn.allsegs for line in level]
    minima = [list(map(float, place)) for place in surface.minima]
    return {"window": [left, right, low, high], "lines": lines, "minima": minima}


@cache
def kept() -> Mapping[str, Any]:
    """What was found before."""
    found: Mapping[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def drawing(name: str) -> str:
    """A path over the contours as SVG; nothing for whoever has none."""
    one = kept()["paths"].get(name)
    if one is None:
        return ""
    ground = kept()["ground"]
    left, right, low, high = ground["window"]
    scale = WIDTH / (right - left)

    def line(points: Sequence[Sequence[float]]) -> str:
        return " ".join(f"{(x - left) * scale:.0f},{(high - y) * scale:.0f}" for x, y in points)

    inside = [point for point in one["places"] if left <= point[0] <= right]
    lines = "".join(f'<polyline points="{line(each)}"/>' for each in ground["lines"])
    marks = "".join(
        f'<circle cx="{(x - left) * scale:.0f}" cy="{(high - y) * scale:.0f}" r="5"/>'
        for x, y in (inside[0], inside[-1])
    )
    stars = "".join(
        f'<text x="{(x - left) * scale:.0f}" y="{(high - y) * scale:.0f}">&#215;</text>'
        for x, y in ground["minima"]
    )
    told = f"The path of {name} over the contours of Beale's function"
    return (
        f'<svg class="walk" viewBox="0 0 {WIDTH} {(high - low) * scale:.0f}" role="img" '
        f'aria-label="{told}"><g class="ground">{lines}</g>{stars}'
        f'<polyline class="path" points="{line(inside)}"/>{marks}</svg>'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME")
    names = parser.parse_args().names
    paths = dict(kept()["paths"]) if names and FILE.exists() else {}
    for name in names or who_can():
        paths |= walked([name])
    text = json.dumps({"ground": contours(), "paths": dict(sorted(paths.items()))})
    FILE.write_text(text.replace('}, "', '},\n"').replace("]]], ", "]]],\n") + "\n", "utf-8")


if __name__ == "__main__":
    main()
