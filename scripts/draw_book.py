"""Draw the pictures of the book's guide: `python scripts/draw_book.py [FOLDER]`.

What is drawn is what the page's own blocks have computed, with the seed that stands there.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from thalweg.mytorch import optim

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


# what each line of docs/apart.md changes: before and after it, in the valley of that page
GD = ("gradient descent", lambda p: optim.SGD(p, lr=0.07))
MOMENTUM = ("momentum", lambda p: optim.SGD(p, lr=0.07, momentum=0.6))
ADAGRAD = ("AdaGrad", lambda p: optim.Adagrad(p, lr=0.1))
RMSPROP = ("RMSprop", lambda p: optim.RMSprop(p, lr=0.02))
ADAM = ("Adam", lambda p: optim.Adam(p, lr=0.03, betas=(0.9, 0.99)))
SOAP = ("SOAP", lambda p: optim.SOAP(p, lr=0.03, betas=(0.9, 0.99), precondition_frequency=1))
PATHS = [(GD, MOMENTUM, False), (GD, ADAGRAD, False), (ADAM, SOAP, True)]
LOSSES = [(GD, MOMENTUM, False), (ADAGRAD, RMSPROP, False), (ADAM, SOAP, True)]


def draw_lines(path: Path, of_path: int = 40, of_loss: int = 100) -> None:
    names = run(DOCS / "apart.md")
    valleys = {False: {"valley": names["STEEP"]}, True: names["turned"]}
    at = np.linspace(-1.6, 1.6, 161)
    figure, (above, below) = plt.subplots(2, 3, figsize=(10, 6.4), layout="constrained")
    for axes, (*pair, turned) in zip((*above, *below), PATHS + LOSSES, strict=True):
        where, is_path = valleys[turned], axes in above
        for (name, make), colour in zip(pair, ("0.45", "C0"), strict=True):
            steps = range(1, (of_path if is_path else of_loss) + 1)
            walked = [names["walk"](make, steps=n, **where) for n in steps]
            if is_path:
                points = [where.get("start", (1.0, 1.0)), *(weights for weights, _ in walked)]
                axes.plot(*np.transpose(points), "o-", color=colour, markersize=2.5, label=name)
            else:
                axes.semilogy(steps, [loss for _, loss in walked], color=colour, label=name)
        if is_path:
            points = np.stack(np.meshgrid(at, at), axis=-1)
            loss = 0.5 * np.einsum("...i,ij,...j", points, where["valley"], points)
            axes.contour(at, at, loss, np.geomspace(0.02, 40, 12), colors="0.8", linewidths=0.7)
            axes.set(xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), aspect="equal")
        else:
            axes.set(xlabel="step", ylabel="loss", ylim=(1e-10, 50))
        if turned:
            axes.set_title("the valley turned by 45 degrees", fontsize=9)
        axes.legend(loc="lower left", fontsize=8)
    figure.savefig(path, dpi=100)


PICTURES = {"mytorch/three.png": draw_three, "apart/lines.png": draw_lines}


def main(folder: Path = DOCS) -> None:
    for name, draw in PICTURES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(path)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
