"""Gradients of one size for every tensor."""

from thalweg.elementwise import sqrt
from thalweg.reductions import mean, sum
from thalweg.rule import Stage


class Standardize(Stage):
    """Gradient standardization: every tensor's gradient divided by its standard deviation.

    Layers whose gradients are small or large beside those of others learn alike. Behind
    centralization, in Ranger21. Tensors of two elements or fewer stay as they are. Put it in front
    of the rule.

        g <- g / (std(g) + 1e-8)          std(g)^2 = sum((g - mean(g))^2) / (n - 1)

    Paper: none.
    Differs: as Ranger21's code, from which 1e-8 is.
    """

    use: bool = True

    @staticmethod
    def update(g, rows, columns, use):
        n = rows * columns
        if use and n > 2:
            off = g - mean(g)
            g = g / (sqrt(sum(off * off) / (n - 1)) + 1e-8)
        return g
