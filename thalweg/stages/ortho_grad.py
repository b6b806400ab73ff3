"""Gradients without the part that only makes the weights longer or shorter."""

from thalweg.reductions import norm, sum
from thalweg.rule import Stage


class OrthoGrad(Stage):
    """Orthogonal gradients.

    Once a network classifies all it has seen, its loss still falls by larger weights alone, which
    changes no answer: that part of the gradient is taken out. It ends the delay of grokking, and
    calibrates. Put it in front of the rule.

        d  = g - <p, g> / |p|^2 p
        g <- |g| / |d| d

    Paper: Prieto et al. 2025, arXiv:2501.04697; the length is kept as in the authors' code.
    Differs: where nothing but rounding is left, |d| <= 1e-6 |g|, as of a tensor of one element,
    the gradient is zero, and where the weights are zero it stays as it is.
    """

    @staticmethod
    def update(p, g):
        square, length = sum(p * p), norm(g)
        d = g - (sum(p * g) / square if square > 0 else 0.0) * p
        left = norm(d)
        g = (length / left if left > 1e-6 * length else 0.0) * d
        return g
