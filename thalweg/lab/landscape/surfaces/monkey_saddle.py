"""The monkey saddle x³ - 3xy²: three ways down, and no curvature in the middle."""

from thalweg.lab.landscape.surface import Surface

__all__ = ["SURFACE", "monkey_saddle"]


def monkey_saddle(x, y):
    return x**3 - 3 * x * y**2


SURFACE = Surface(
    "monkey",
    "Monkey saddle",
    monkey_saddle,
    (-1.5, 1.5, -1.5, 1.5),
    (1.3, 0.003),
    saddle=(0.0, 0.0),
    steps=250,
)
