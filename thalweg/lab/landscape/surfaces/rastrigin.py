"""Rastrigin's function: a bowl full of holes."""

import numpy as np

from thalweg.lab.landscape.surface import Surface

__all__ = ["SURFACE", "rastrigin"]


def rastrigin(x, y):
    return 20 + x**2 - 10 * np.cos(2 * np.pi * x) + y**2 - 10 * np.cos(2 * np.pi * y)


SURFACE = Surface(
    "rastrigin", "Rastrigin", rastrigin, (-4.0, 4.0, -4.0, 4.0), (-2.7, 3.3), ((0.0, 0.0),)
)
