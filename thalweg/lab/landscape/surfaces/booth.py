"""Booth's function: one bowl, ten times as steep one way as the other, and not along the axes."""

from thalweg.lab.landscape.surface import Surface

__all__ = ["SURFACE", "booth"]


def booth(x, y):
    return (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2


SURFACE = Surface("booth", "Booth", booth, (-6.0, 8.0, -4.0, 10.0), (-4.5, 1.0), ((1.0, 3.0),))
