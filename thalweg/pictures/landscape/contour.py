"""Paths over contours, on one picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from thalweg.pictures.landscape.trails import (
    Field,
    Trail,
    contours,
    legend,
    note,
    room_for_legend,
)
from thalweg.pictures.style import save

__all__ = ["draw_contour", "within"]


def draw_contour(
    path: Path, field: Field, trails: Sequence[Trail], every: int, title: str, text: str
) -> None:
    """Draw the paths with a mark every so many steps; `text` says how they came about."""
    plt.switch_backend("Agg")
    size = (8, 6.8 + room_for_legend(trails))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    contours(axes, field)
    for number, trail in enumerate(trails):
        places = within(trail.places, field)
        axes.plot(*places.T, zorder=3 + number / 100, **trail.style())
        axes.plot(
            *places[::every].T,
            linestyle="",
            marker=trail.marker,
            color=trail.colour,
            markeredgecolor="white",
            markeredgewidth=0.6,
            markersize=5.5,
            zorder=4 + number / 100,
        )
    axes.plot(*trails[0].places[0], marker="o", color="black", markersize=9, zorder=5)
    note(axes, title, text)
    legend(figure, axes, trails)
    save(figure, path)


def within(places: np.ndarray, field: Field) -> np.ndarray:
    """Places that can be drawn: what is far outside stands where the line to it would leave."""
    middle = np.array([(axis[0] + axis[-1]) / 2 for axis in (field.x, field.y)])
    reach = 50 * np.array([axis[-1] - axis[0] for axis in (field.x, field.y)])
    known = places[np.isfinite(places).all(axis=1)]
    return np.asarray(np.clip(known, middle - reach, middle + reach))
