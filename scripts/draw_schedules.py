"""Draw the pictures of docs/schedules.md: `python scripts/draw_schedules.py [FOLDER]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch

from thalweg.optim.lr_scheduler import ChainedScheduler, ExponentialLR, LinearLR, SequentialLR
from thalweg.schedules import (
    Schedule,
    constant,
    cosine,
    cosine_restarts,
    cyclic,
    exponential,
    flat_cosine,
    inverse_sqrt,
    linear,
    multistep,
    one_cycle,
    polynomial,
    step_decay,
    warmup,
    warmup_stable_decay,
)

FOLDER = Path(__file__).parents[1] / "docs" / "schedules"

CURVES: dict[str, Schedule] = {
    "warmup(20) >> constant()": warmup(20) >> constant(),
    "linear(100, 1.0, 0.2)": linear(100, 1.0, 0.2),
    "polynomial(100, power=2)": polynomial(100, power=2),
    "cosine(100, floor=0.1)": cosine(100, floor=0.1),
    "warmup(20) >> cosine(80)": warmup(20) >> cosine(80),
    "flat_cosine(100)": flat_cosine(100),
    "warmup_stable_decay(10, 70, 20)": warmup_stable_decay(10, 70, 20),
    "warmup(20) >> inverse_sqrt(20)": warmup(20) >> inverse_sqrt(20),
    "step_decay(30, 0.4)": step_decay(30, 0.4),
    "multistep([50, 80], 0.3)": multistep([50, 80], 0.3),
    "exponential(0.97)": exponential(0.97),
    "cosine_restarts(15, growth=2)": cosine_restarts(15, growth=2),
    "cyclic(15, shrink=0.7)": cyclic(15, shrink=0.7),
    "one_cycle(100)": one_cycle(100),
    "one_cycle(100, three_phase=True)": one_cycle(100, three_phase=True),
}

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"


def _frame(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.set_ylim(bottom=-0.03)


def draw_curves(path: Path) -> None:
    """One small picture for each curve."""
    figure, places = plt.subplots(5, 3, figsize=(9.5, 9), sharex=True, layout="constrained")
    for axes, (name, schedule) in zip(places.flat, CURVES.items(), strict=True):
        axes.plot(schedule(np.arange(121)), color=BLUE, linewidth=1.6)
        _frame(axes, name)
    for axes in places[-1]:
        axes.set_xlabel("step", fontsize=8)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _run(make: Any, steps: int, edit: int | None = None) -> Sequence[float]:
    opt = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(opt)
    rates = []
    for t in range(steps):
        opt.step()
        rates.append(opt.param_groups[0]["lr"])
        if t == edit:
            opt.param_groups[0]["lr"] = 0.8
        scheduler.step()
    return rates


def draw_together(path: Path) -> None:
    """Two schedulers in sequence and in a chain, and a rate that was edited by hand."""

    def members(opt: Any) -> list[Any]:
        return [LinearLR(opt, 0.1, total_iters=10), ExponentialLR(opt, 0.95)]

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3), layout="constrained")
    together = {
        "SequentialLR, milestones=[10]": lambda opt: SequentialLR(opt, members(opt), [10]),
        "ChainedScheduler": lambda opt: ChainedScheduler(members(opt)),
    }
    for (label, make), colour in zip(together.items(), (BLUE, ORANGE), strict=True):
        left.plot(_run(make, 50), color=colour, label=label, linewidth=1.6)
    _frame(left, "One after the other, and both at once")
    for edit, label, colour in ((None, "left alone", BLUE), (20, "edited at step 20", GREEN)):
        rates = _run(lambda opt: ExponentialLR(opt, 0.95), 50, edit)
        right.plot(rates, color=colour, label=label, linewidth=1.6)
    _frame(right, "ExponentialLR follows the current rate")
    for axes in (left, right):
        axes.set_xlabel("step", fontsize=8)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=80)
    plt.close(figure)


PICTURES = {"curves.png": draw_curves, "together.png": draw_together}


def main(folder: Path = FOLDER) -> None:
    """Draw every picture into a folder."""
    plt.switch_backend("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        draw(folder / name)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
