"""A plateau with a cliff: nearly no slope, then far too much of it, and a bowl below."""

import numpy as np

from thalweg.lab.landscape.surface import Surface

__all__ = ["SURFACE", "cliff"]


def cliff(x, y):
    edge = np.tanh(8 * (x + 1))
    return 3 * (1 - edge) + 0.05 * (x - 2) ** 2 + 0.2 * y**2


SURFACE = Surface(
    "cliff", "Plateau with a cliff", cliff, (-4.0, 4.0, -2.5, 2.5), (-3.2, 1.8), ((2.0, 0.0),)
)
