"""Adafactor beside torch's: shapes for every way that a matrix can take."""

import torch

from tests.optim.runs import (
    weights,
)
from thalweg.optim import Adafactor

Torchs = torch.optim.Adafactor
# by rows, by rows in two strips, several matrices; as written, since rows are short; vectors
SHAPES = [(40, 33), (9, 4100), (3, 5, 32), (1, 40), (37, 5), (2, 3, 3, 3), (40, 1), (50,), ()]


def pair(dtype=torch.float32, shapes=SHAPES, **given):
    """Ours and torch's on the same weights."""
    return Adafactor(weights(shapes, dtype), **given), Torchs(weights(shapes, dtype), **given)


def params_of(opt):
    return [p for group in opt.param_groups for p in group["params"]]


def states_of(opt):
    return [t for p in params_of(opt) for t in opt.state[p].values()]
