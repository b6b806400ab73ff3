"""The saddle x² - y²: who starts on the ridge gets away only by what is not exactly on it."""

from thalweg.lab.landscape.surface import Surface

__all__ = ["SURFACE", "saddle"]


def saddle(x, y):
    return x**2 - y**2


SURFACE = Surface(
    "saddle", "Saddle", saddle, (-1.5, 1.5, -1.5, 1.5), (1.3, 0.003), saddle=(0.0, 0.0), steps=250
)
