"""Pictures that move, as one GIF: the ground is drawn once, and each frame only what moves."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from thalweg.pictures.landscape.contour import within
from thalweg.pictures.landscape.trails import Field, Trail, contours, legend, note, room_for_legend
from thalweg.whole_file import whole_file

__all__ = ["film_contour", "film_saddle"]

_FRAMES, _MILLISECONDS, _REST = 120, 40, 1800
_DOTS = 84  # per inch
# of a palette of 256: greys, and each colour over white and over grey, as edges of lines have it
_GREYS, _SHARES, _GROUNDS = 96, (1.0, 0.7, 0.4), (1.0, 0.75)


def film_contour(path: Path, field: Field, trails: Sequence[Trail], title: str, text: str) -> None:
    """Let all walk over the contours at once, a step at a time."""
    plt.switch_backend("Agg")
    size = (7, 6.2 + room_for_legend(trails))
    figure, axes = plt.subplots(figsize=size, layout="constrained", dpi=_DOTS)
    contours(axes, field)
    note(axes, title, text)
    legend(figure, axes, trails)
    steps = len(trails[0].places) - 1
    ways = [within(trail.places, field).T for trail in trails]
    _film(path, figure, axes, trails, ways, steps)


def film_saddle(
    path: Path,
    field: Field,
    trails: Sequence[Trail],
    heights: Callable[[np.ndarray], np.ndarray],
    title: str,
    text: str,
) -> None:
    """The same on the surface itself, in three dimensions; who leaves the window is seen no more.

    `field.shown` are the heights here, and `heights` gives those of places, (n, 2) to (n).
    """
    plt.switch_backend("Agg")
    size = (7, 6 + room_for_legend(trails))
    figure = plt.figure(figsize=size, layout="constrained", dpi=_DOTS)
    axes: Any = figure.add_subplot(projection="3d", computed_zorder=False)
    x, y = np.meshgrid(field.x, field.y)
    axes.plot_surface(
        x, y, field.shown, cmap="Greys_r", alpha=0.55, rcount=40, ccount=40, linewidth=0.2,
        edgecolor="#9aa4ad", zorder=1,
    )  # fmt: skip
    axes.view_init(elev=36, azim=68)
    axes.set(xlabel="x", ylabel="y", zlabel="value")
    axes.set_box_aspect((1, 1, 0.7), zoom=0.95)
    note(axes, title, text)
    legend(figure, axes, trails)
    steps = len(trails[0].places) - 1
    lift = 0.015 * float(np.ptp(field.shown))
    ways = []
    for trail in trails:
        inside = _inside(trail.places, field)
        ways.append(np.vstack([inside.T, heights(inside) + lift]))
    _film(path, figure, axes, trails, ways, steps)


def _inside(places: np.ndarray, field: Field) -> np.ndarray:
    """A path up to where it first leaves the window."""
    low, high = (np.array([axis[i] for axis in (field.x, field.y)]) for i in (0, -1))
    with np.errstate(invalid="ignore"):
        out = ~((places >= low) & (places <= high)).all(axis=1)
    if not out.any():
        return places
    last = max(int(out.argmax()), 1)
    before, after = places[last - 1], places[last]
    if not np.isfinite(after).all():
        return places[:last]
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.where(after > before, (high - before), (low - before)) / (after - before)
    share = np.nanmin(np.where(after == before, np.inf, ends))
    return np.vstack([places[:last], before + min(share, 1.0) * (after - before)])


def _film(
    path: Path,
    figure: Figure,
    axes: Axes,
    trails: Sequence[Trail],
    ways: Sequence[np.ndarray],
    steps: int,
) -> None:
    """Write the GIF; a way is (2 or 3, places)."""
    count = axes.annotate(
        "", (1, 1), (-4, -14), xycoords="axes fraction", textcoords="offset points", ha="right",
        fontsize=10, zorder=9, animated=True,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1.5},
    )  # fmt: skip
    lines = [axes.plot(*way[:, :1], animated=True, zorder=3, **trail.style())[0]
             for trail, way in zip(trails, ways, strict=True)]  # fmt: skip
    heads = [
        axes.plot(
            *way[:, :1], animated=True, zorder=4, linestyle="", marker=trail.marker,
            color=trail.colour, markersize=8, markeredgecolor="white",
        )[0]
        for trail, way in zip(trails, ways, strict=True)
    ]  # fmt: skip

    def show(now: float) -> Iterator[Artist]:
        for line, head, way in zip(lines, heads, ways, strict=True):
            seen = _until(way, now)
            _set(line, seen)
            _set(head, seen[:, -1:])
        count.set_text(f"step {now:.0f}")
        yield from [*lines, *heads, count]

    try:
        frames = list(_frames(figure, np.linspace(0, steps, min(_FRAMES, 2 * steps) + 1), show))
    finally:
        plt.close(figure)
    _write(path, frames, [trail.colour for trail in trails])


def _until(way: np.ndarray, now: float) -> np.ndarray:
    """A way up to a moment, which may lie between two steps."""
    whole = int(now)
    seen = way[:, : whole + 1]
    if whole + 1 >= way.shape[1]:
        return seen
    part = way[:, whole] + (now - whole) * (way[:, whole + 1] - way[:, whole])
    return np.column_stack([seen, part])


def _set(line: Any, places: np.ndarray) -> None:
    line.set_data_3d(*places) if len(places) == 3 else line.set_data(*places)


def _frames(
    figure: Figure, moments: np.ndarray, show: Callable[[float], Iterator[Artist]]
) -> Iterator[Image.Image]:
    canvas: Any = figure.canvas
    canvas.draw()
    figure.set_layout_engine("none")  # it stays where it is
    ground = canvas.copy_from_bbox(figure.bbox)
    for now in moments:
        canvas.restore_region(ground)
        for artist in show(float(now)):
            if hasattr(artist, "do_3d_projection"):
                artist.do_3d_projection()
            figure.draw_artist(artist)
        yield Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def _write(path: Path, frames: Sequence[Image.Image], colours: Sequence[str]) -> None:
    """One palette for all frames, so that what stands still is the same in each."""
    palette = Image.new("P", (1, 1))
    palette.putpalette(_palette(colours))
    flat = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    with whole_file(path) as file:
        flat[0].save(
            file,
            format="GIF",
            save_all=True,
            append_images=flat[1:],
            duration=[_MILLISECONDS] * (len(flat) - 1) + [_REST],
            loop=0,
            optimize=False,
        )


def _palette(colours: Sequence[str]) -> bytes:
    greys = np.linspace(0, 1, _GREYS)[:, None] * np.ones(3)
    mixed = [
        share * np.array(to_rgb(colour)) + (1 - share) * ground
        for colour in dict.fromkeys(colours)
        for share in _SHARES
        for ground in (_GROUNDS if share < 1 else (1.0,))
    ]
    found = np.vstack([greys, *mixed])[:256]
    return bytes(np.round(255 * found).astype(np.uint8).tobytes())
