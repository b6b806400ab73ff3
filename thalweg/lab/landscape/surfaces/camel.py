"""The six-hump camel: six minima, two of them the deepest."""

from thalweg.lab.landscape.surface import Surface

__all__ = ["SURFACE", "camel"]


def camel(x, y):
    return (4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + (4 * y**2 - 4) * y**2


SURFACE = Surface(
    "camel",
    "Six-hump camel",
    camel,
    (-2.1, 2.1, -1.2, 1.2),
    (0.9, 0.05),
    (
        (0.08984201310031806, -0.7126564030207396),
        (-0.08984201310031806, 0.7126564030207396),
        (-1.7036067132900241, 0.7960835726555064),
        (1.7036067132900241, -0.7960835726555064),
        (-1.6071047512630583, -0.5686514485115756),
        (1.6071047512630583, 0.5686514485115756),
    ),
)
