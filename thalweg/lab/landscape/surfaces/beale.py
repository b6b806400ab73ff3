"""Beale's function: flat arms, and walls that throw back whoever comes too fast."""

from thalweg.lab.landscape.surface import Surface

__all__ = ["SURFACE", "beale"]


def beale(x, y):
    a = 1.5 - x + x * y
    b = 2.25 - x + x * y**2
    c = 2.625 - x + x * y**3
    return a**2 + b**2 + c**2


SURFACE = Surface("beale", "Beale", beale, (-0.5, 4.5, -1.5, 2.0), (0.5, -1.0), ((3.0, 0.5),))
