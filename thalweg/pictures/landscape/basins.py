"""Small multiples of where each start leads: a row for each optimizer, a column for each rate."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize, to_rgb

from thalweg.pictures.style import COLOURS, save

__all__ = ["Pane", "draw_basins"]

_NOWHERE, _DIVERGED = (0.82, 0.82, 0.82), (0.1, 0.1, 0.1)


@dataclass(frozen=True)
class Pane:
    """One optimizer at one rate: the minimum reached from each start, [y, x], -1 for none and -2
    for a start that diverged, and at which step."""

    lr: float
    reached: np.ndarray
    steps: np.ndarray


def draw_basins(
    path: Path,
    rows: Sequence[tuple[str, Sequence[Pane]]],
    window: tuple[float, float, float, float],
    minima: Sequence[tuple[float, float]],
    steps: int,
    title: str,
    text: str,
) -> None:
    """Draw a row of panes for each label. With several minima a colour is a minimum, and lighter is
    later; with one, a colour is a time."""
    plt.switch_backend("Agg")
    across = max(len(panes) for _, panes in rows)
    size = (1.75 * across + 1.9, 1.6 * len(rows) + 1.6)
    figure, axes = plt.subplots(
        len(rows), across, figsize=size, layout="constrained", squeeze=False, sharex=True,
        sharey=True,
    )  # fmt: skip
    for (label, panes), line in zip(rows, axes, strict=True):
        for pane, one in zip(panes, line, strict=True):
            one.imshow(
                _colours(pane, len(minima), steps), extent=window, origin="lower", aspect="auto",
                interpolation="nearest",
            )  # fmt: skip
            one.set_title(f"lr {pane.lr:.2g}", fontsize=8, pad=2)
            one.tick_params(labelsize=6)
            for x, y in minima:
                one.plot(x, y, marker="x", color="white", markersize=5, markeredgewidth=2.4)
                one.plot(x, y, marker="x", color="black", markersize=5, markeredgewidth=1)
            one.set(xlim=window[:2], ylim=window[2:])
        line[0].set_ylabel(textwrap.fill(label, 14), fontsize=9)
    if len(minima) < 2:
        scale = plt.cm.ScalarMappable(Normalize(0, steps), colormaps["viridis_r"])
        bar = figure.colorbar(scale, ax=axes, shrink=0.6, aspect=30)
        bar.set_label("steps until it is there" if minima else "steps until it is away")
    figure.suptitle(f"{title}\n{textwrap.fill(text, 14 * across + 14)}", fontsize=9)
    save(figure, path)


def _colours(pane: Pane, minima: int, steps: int) -> np.ndarray:
    """A colour for each start."""
    share = np.clip(pane.steps / steps, 0, 1)
    if minima > 1:
        base = np.array([to_rgb(COLOURS[i % len(COLOURS)]) for i in range(minima)])
        own = base[np.clip(pane.reached, 0, None)]
        found = own + (1 - own) * 0.75 * share[..., None]
    else:
        found = colormaps["viridis_r"](share)[..., :3]
    found[pane.reached == -1] = _NOWHERE
    found[pane.reached == -2] = _DIVERGED
    return np.asarray(found)
