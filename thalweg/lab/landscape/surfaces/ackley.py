"""Ackley's function: a rough plain around one deep hole."""

import numpy as np

from thalweg.lab.landscape.surface import Surface

__all__ = ["SURFACE", "ackley"]


def ackley(x, y):
    away = np.exp(-0.2 * np.sqrt((x**2 + y**2) / 2))
    waves = np.exp((np.cos(2 * np.pi * x) + np.cos(2 * np.pi * y)) / 2)
    return 20 + np.e - 20 * away - waves


SURFACE = Surface("ackley", "Ackley", ackley, (-4.0, 4.0, -4.0, 4.0), (-2.7, 2.3), ((0.0, 0.0),))
