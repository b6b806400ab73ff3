"""The trust ratio: a step as long, beside its weights, as the learning rate says."""

from thalweg.reductions import norm
from thalweg.rule import Stage


class TrustRatio(Stage):
    """Layer-wise trust ratio.

    Every tensor moves by the same share of its own length, lr, whatever the length of its step:
    what lets LAMB train with batches of tens of thousands. Put it behind the rule, and behind a
    decay of the step.

        u <- lr |p| / |u| u       where neither length is zero; the norms are of the whole tensor

    Paper: You et al. 2020, arXiv:1904.00962, Algorithm 2, with the identity for phi.
    Differs: where a length is zero the step stays as it is.
    """

    @staticmethod
    def update(p, u, lr):
        weight, length = norm(p), norm(u)
        u = (lr * weight / length if weight > 0 and length > 0 else 1.0) * u
        return u
