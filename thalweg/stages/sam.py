"""Sharpness-aware minimization: the gradient where the loss is worst nearby."""

from thalweg.elementwise import abs
from thalweg.reductions import norm
from thalweg.requests import gradient
from thalweg.rule import Stage, setting


class SAM(Stage):
    """Sharpness-aware minimization.

    The gradient is taken where the loss is highest within rho, to first order, and the rule
    behind it steps from where the weights are. It ends in flatter minima, which generalize
    better, above all where data is little; each step costs two gradients. Put it in front of
    any rule.

        g <- gradient at p + rho g / |g|             |g| over all tensors
        g <- gradient at p + rho p^2 g / ||p| g|     with adaptive

    Paper: Foret et al. 2021, arXiv:2010.01412; adaptive: Kwon et al. 2021, arXiv:2102.11600, with
    a rho ten times as large.
    Differs: 1e-12 is added to the norm. Batch norms see both passes: keep their running statistics
    to the first, or use another norm.
    """

    rho: float = setting(0.05, low=0)
    adaptive: bool = False

    @staticmethod
    def update(p, g, rho, adaptive):
        if adaptive:
            d = p * p * g / (norm(abs(p) * g, "all") + 1e-12)
        else:
            d = g / (norm(g, "all") + 1e-12)
        g = gradient(p + rho * d)
        return g
