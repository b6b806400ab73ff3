"""Weights drawn towards rows of length 1."""

from thalweg.reductions import norm
from thalweg.rule import Stage, setting


class NormLoss(Stage):
    """Norm loss: a decay that draws the weights of each unit towards length 1.

    Long rows shrink and short ones grow, where weight decay only shrinks. Put it in front of the
    rule.

        p <- p - 2 lr norm_loss (1 - 1 / |p|) p         |p| of a row, or of a whole vector

    Paper: Georgiou et al. 2021, arXiv:2103.06583.
    Differs: 1e-8 is added to the norm.
    """

    norm_loss: float = setting(1e-4, low=0)
    spares = ("norm_loss",)

    @staticmethod
    def rests(h):
        return h.norm_loss == 0

    @staticmethod
    def update(p, ndim, lr, norm_loss):
        if norm_loss != 0:
            length = norm(p, "row") if ndim > 1 else norm(p)
            p = p * (1 - 2 * lr * norm_loss * (1 - 1 / (length + 1e-8)))
        return p
