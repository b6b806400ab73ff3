"""A long narrow valley, turned by 30 degrees, so that no axis runs along it."""

import math

from thalweg.lab.landscape.surface import Surface

__all__ = ["SURFACE", "valley"]

_COS, _SIN = math.cos(math.pi / 6), math.sin(math.pi / 6)


def valley(condition: float = 100.0) -> Surface:
    """The valley that is `condition` times as steep across as along."""

    def value(x, y):
        along = _COS * x + _SIN * y
        across = _COS * y - _SIN * x
        return (along**2 + condition * across**2) / 2

    title = f"Valley, condition {condition:g}"
    return Surface("valley", title, value, (-8.0, 3.0, -6.0, 3.0), (-7.0, -2.0), ((0.0, 0.0),))


SURFACE = valley()
