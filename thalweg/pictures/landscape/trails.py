"""What the pictures of a landscape are given: heights to draw, and who walked where."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

__all__ = ["Field", "Trail", "contours", "legend", "note", "room_for_legend"]

_LEVELS = 24
_WIDEST_LEGEND, _WIDEST_LABEL = 98, 36  # letters
_HANDLE = 10  # what a line's sample takes, in letters


@dataclass(frozen=True)
class Field:
    """Heights over a window, [y, x], as they are shown, and the points to be marked."""

    x: np.ndarray
    y: np.ndarray
    shown: np.ndarray
    marked: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Trail:
    """Who walked where, and how that is drawn."""

    label: str
    places: np.ndarray
    colour: str
    dash: tuple[float, ...]
    marker: str

    def style(self) -> dict[str, Any]:
        """For a line of matplotlib."""
        line = (0, self.dash) if self.dash else "-"
        return {"color": self.colour, "linestyle": line, "linewidth": 1.8}


def contours(axes: Axes, field: Field) -> None:
    """Lines of equal height over shades of grey, and a cross at each minimum."""
    finite = np.ma.masked_invalid(field.shown)
    corners = (field.x[0], field.x[-1], field.y[0], field.y[-1])
    axes.imshow(
        finite, extent=corners, origin="lower", aspect="auto", interpolation="bilinear",
        cmap="Greys", alpha=0.28, zorder=0,
    )  # fmt: skip
    axes.contour(
        field.x, field.y, finite, _LEVELS, colors="#55606b", linewidths=0.5, linestyles="-",
        alpha=0.7, zorder=1,
    )  # fmt: skip
    for x, y in field.marked:
        axes.plot(x, y, "x", color="white", markersize=11, markeredgewidth=4, zorder=6)
        axes.plot(x, y, "x", color="black", markersize=9, markeredgewidth=2, zorder=6)
    axes.set(xlim=corners[:2], ylim=corners[2:], xlabel="x", ylabel="y")


def legend(figure: Figure, axes: Axes, trails: Sequence[Trail]) -> None:
    """Every label once, below the picture, where none can lie over another or over a path."""
    handles = [
        Line2D([], [], marker=trail.marker, markersize=5, label=_label(trail), **trail.style())
        for trail in trails
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=_columns(trails),
        frameon=False,
        fontsize=9,
        handlelength=3.5,
    )


def room_for_legend(trails: Sequence[Trail]) -> float:
    """How high a legend is, in inches."""
    lines = sum(_label(trail).count("\n") + 1 for trail in trails)
    return 0.2 * -(-lines // _columns(trails))


def _columns(trails: Sequence[Trail]) -> int:
    widest = max(len(line) for trail in trails for line in _label(trail).splitlines()) + _HANDLE
    return max(1, min(3, _WIDEST_LEGEND // widest))


def _label(trail: Trail) -> str:
    return textwrap.fill(trail.label, _WIDEST_LABEL)


def note(axes: Axes, title: str, text: str) -> None:
    """What is seen, and below it smaller how it was made."""
    lines = textwrap.wrap(text, 92)
    axes.set_title(title, loc="left", fontsize=12, pad=8 + 11 * len(lines))
    axes.annotate(
        "\n".join(lines),
        (0, 1),
        (0, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=8,
        color="#444444",
    )
