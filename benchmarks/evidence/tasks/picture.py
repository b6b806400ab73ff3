"""A picture as a function of the place: matplotlib's `grace_hopper.jpg` in 48 columns, in colours.

A network of sines (Sitzmann et al. 2020, arXiv:2006.09661) learns the colours of seven pixels in
ten; validation and test have the others. The loss is the mean squared error of colours in 0..1.
"""

from functools import cache

import numpy as np
import torch
from matplotlib.cbook import get_sample_data
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

COLUMNS, WIDTH, BATCH = 48, 48, 256
FIRST = 15.0  # how quick the first layer's sines are


@cache
def parts() -> list[TensorDataset]:
    """Places (N, 2) in -1..1 and their colours (N, 3): to learn from, to validate, to test."""
    with get_sample_data("grace_hopper.jpg") as file, Image.open(file) as opened:
        rows = round(COLUMNS * opened.height / opened.width)
        small = opened.convert("RGB").resize((COLUMNS, rows), Image.Resampling.BOX)
    colours = np.asarray(small, np.float32).reshape(-1, 3) / 255
    at = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, COLUMNS), indexing="ij")
    places = np.stack(at, axis=-1).reshape(-1, 2).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(places))
    cuts = [len(order) * 7 // 10, len(order) * 17 // 20]
    return [
        TensorDataset(torch.from_numpy(places[one]), torch.from_numpy(colours[one]))
        for one in np.split(order, cuts)
    ]


class Sines(nn.Module):
    """Three layers of sines, and a linear one."""

    def __init__(self) -> None:
        super().__init__()
        widths = [2, WIDTH, WIDTH, WIDTH]
        self.layers = nn.ModuleList(map(nn.Linear, widths, widths[1:]))
        self.last = nn.Linear(WIDTH, 3)
        for layer in self.layers[1:]:
            nn.init.uniform_(layer.weight, -((6 / WIDTH) ** 0.5), (6 / WIDTH) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        for i, layer in enumerate(self.layers):
            x = torch.sin(layer(x) * (FIRST if i == 0 else 1.0))
        return self.last(x)


def task(seed: int):
    train, validation, test = parts()
    batches = DataLoader(train, batch_size=BATCH, shuffle=True, drop_last=True)
    judges = (DataLoader(one, batch_size=len(one)) for one in (validation, test))
    return Sines(), nn.MSELoss(), (batches, *judges)
