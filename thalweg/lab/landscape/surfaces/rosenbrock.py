"""Rosenbrock's banana: a curved valley that is easy to find and slow to follow."""

from thalweg.lab.landscape.surface import Surface

__all__ = ["SURFACE", "rosenbrock"]


def rosenbrock(x, y):
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


SURFACE = Surface(
    "rosenbrock", "Rosenbrock", rosenbrock, (-2.0, 2.0, -1.0, 3.0), (-1.5, 2.0), ((1.0, 1.0),)
)
