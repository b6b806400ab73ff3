"""Draw what docs/gallery.md has of its own: `python -m scripts.pictures gallery`.

A comparison of six optimizers on the digits, and how much each one's learning rate matters there;
the basins and the live page are those of `thalweg landscape` (`scripts/draw_landscape.py`).
"""

from __future__ import annotations

import functools
import math
from pathlib import Path

import matplotlib.pyplot as plt
from PIL import Image

from thalweg.lab.colours import looks
from thalweg.lab.comparing import compared
from thalweg.lab.contest import Budget, Contest
from thalweg.lab.picture import draw_curves
from thalweg.pictures.style import frame, save

__all__ = ["PICTURES", "narrowed"]

COMPARED = ("sgd", "rmsprop", "adamw", "lion", "radam", "ranger")
WIDTH = 1100  # pixels


@functools.cache
def contest() -> Contest:
    """Nine rates for each, then three seeds at the best one."""
    return compared(COMPARED, budget=Budget(seeds=3, epochs=6))


def narrowed(path: Path, width: int = WIDTH) -> None:
    """A picture no wider than that, in as few colours as it has."""
    with Image.open(path) as opened:
        whole = opened.convert("RGB")
    small = whole.resize((width, round(whole.height * width / whole.width)), Image.Resampling.BOX)
    small.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def draw_compare(path: Path) -> None:
    """What `thalweg compare` leaves as curves.png."""
    draw_curves(path, contest())
    narrowed(path)


def draw_rates(path: Path) -> None:
    """The validation loss at the end of a training, of each learning rate of the grid."""
    found = looks(entry.label for entry in contest().entries)
    figure, axes = plt.subplots(figsize=(8, 4.6), layout="constrained")
    for label, look in found.items():
        entry = contest().entry(label)
        trials = sorted(entry.trials.values(), key=lambda trial: trial.lr)
        finite = [trial for trial in trials if math.isfinite(trial.validation_loss)]
        axes.plot(
            [trial.lr for trial in finite],
            [trial.validation_loss for trial in finite],
            color=look.colour,
            linestyle=(0, look.dash) if look.dash else "-",
            marker=look.marker,
            markersize=5,
            label=label,
        )
    frame(axes, "Validation loss after six epochs, by learning rate")
    axes.set(xscale="log", yscale="log", ylim=(None, 3), xlabel="learning rate")
    axes.legend(frameon=False, ncols=3)
    save(figure, path)
    narrowed(path)


PICTURES = {"gallery/compare.png": draw_compare, "gallery/rates.png": draw_rates}
