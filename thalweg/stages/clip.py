"""Gradient clipping: by value, and by the norm of all gradients together."""

from thalweg.elementwise import maximum, minimum
from thalweg.reductions import norm
from thalweg.rule import Stage, setting


class ClipValue(Stage):
    """Clip every gradient element to [-clip_value, clip_value]; NaN stays NaN.

        g <- min(max(g, -clip_value), clip_value)

    Paper: none.
    Differs: p.grad keeps the unclipped gradient, unlike torch's clip_grad_value_.
    """

    clip_value: float = setting(1.0, above=0)

    @staticmethod
    def rests(h):
        return True

    @staticmethod
    def update(g, clip_value):
        g = minimum(maximum(g, -clip_value), clip_value)
        return g


class ClipNorm(Stage):
    """Scale all gradients down together when their common norm exceeds max_norm.

    The usual guard against exploding gradients in recurrent nets and transformers.
    The norm is taken over every tensor of the optimizer, so it costs one more read of
    the gradients, and is the only stage that does.

        g <- g min(1, max_norm / (|g| + 1e-6)),    |g| over all elements of all tensors

    Paper: Pascanu et al. 2013, arXiv:1211.5063, Algorithm 1.
    Differs: 1e-6 as in torch's clip_grad_norm_; p.grad keeps the unclipped gradient.
    """

    max_norm: float = setting(1.0, above=0)

    @staticmethod
    def rests(h):
        return True

    @staticmethod
    def update(g, max_norm):
        g = g * minimum(max_norm / (norm(g, "all") + 1e-6), 1.0)
        return g
