"""Small networks to step, and whether a step moved them."""

import numpy as np

from thalweg.mytorch import nn


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def two_layers() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def moved(params, before) -> list[bool]:
    return [not np.array_equal(p.data, old) for p, old in zip(params, before, strict=True)]
