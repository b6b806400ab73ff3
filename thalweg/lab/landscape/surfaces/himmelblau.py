"""Himmelblau's function: four minima of the same depth, so that the start decides."""

from thalweg.lab.landscape.surface import Surface

__all__ = ["SURFACE", "himmelblau"]


def himmelblau(x, y):
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


SURFACE = Surface(
    "himmelblau",
    "Himmelblau",
    himmelblau,
    (-5.0, 5.0, -5.0, 5.0),
    (0.1, -0.8),
    (
        (3.0, 2.0),
        (-2.805118086952745, 3.131312518250573),
        (-3.7793102533777469, -3.2831859912861694),
        (3.5844283403304917, -1.8481265269644034),
    ),
)
