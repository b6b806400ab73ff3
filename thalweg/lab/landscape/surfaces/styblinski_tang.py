"""Styblinski and Tang's function: four minima of different depths."""

from thalweg.lab.landscape.surface import Surface

__all__ = ["SURFACE", "styblinski_tang"]


def styblinski_tang(x, y):
    return (x**4 - 16 * x**2 + 5 * x + y**4 - 16 * y**2 + 5 * y) / 2


_LOW, _HIGH = -2.9035340277711770, 2.7468027709908370  # the roots of 4 x^3 - 32 x + 5

SURFACE = Surface(
    "styblinski",
    "Styblinski-Tang",
    styblinski_tang,
    (-5.0, 5.0, -5.0, 5.0),
    (0.4, 4.4),
    ((_LOW, _LOW), (_LOW, _HIGH), (_HIGH, _LOW), (_HIGH, _HIGH)),
)
