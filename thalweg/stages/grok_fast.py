"""Gradients with their slow part made stronger."""

from thalweg.elementwise import lerp
from thalweg.rule import Stage, setting, state


class GrokFast(Stage):
    """GrokFast: the slow part of the gradient, amplified.

    What changes slowly in the gradient is what generalizes late; added once more, by a running
    mean, it is learnt many times sooner. For tasks where a network first memorizes, with a large
    weight decay. Put it in front of the rule.

        e <- alpha e + (1 - alpha) g        the first time: e <- g
        g <- g + lamb e

    Paper: Lee et al. 2024, arXiv:2405.20233, the filter by an exponential mean.
    Differs: nothing; e begins with the first gradient, as in the authors' code.
    """

    alpha: float = setting(0.98, low=0, high=1)
    lamb: float = setting(2.0, low=0)

    e = state("grad_ema")

    @staticmethod
    def update(g, e, first, alpha, lamb):
        e = g if first else lerp(e, g, 1 - alpha)
        g = g + lamb * e
        return g, e
