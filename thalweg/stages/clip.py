"""Clipping: gradients by value, by their common norm or beside their weights, and steps."""

from thalweg.elementwise import maximum, minimum, sqrt, where
from thalweg.reductions import mean, norm
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


class AGC(Stage):
    """Adaptive gradient clipping.

    A gradient is clipped where it is large beside its own weights, unit by unit: no bound has to
    be found for the whole network, and large batches train without batch norms. NFNets leave out
    the last linear layer, which is a group with clip_factor=inf. Put it in front of the rule.

        g <- g min(1, clip_factor max(|p|, clip_eps) / max(|g|, 1e-6))

    Paper: Brock et al. 2021, arXiv:2102.06171, equation 3.
    Differs: nothing. The norms are of a row, one index of axis 0, or of a whole bias, as in the
    authors' code, from which 1e-6 is.
    """

    clip_factor: float = setting(0.01, above=0)
    clip_eps: float = setting(1e-3, above=0)

    @staticmethod
    def update(p, g, ndim, clip_factor, clip_eps):
        if ndim > 1:
            most = clip_factor * maximum(norm(p, "row"), clip_eps)
            length = norm(g, "row")
        else:
            most = clip_factor * maximum(norm(p), clip_eps)
            length = norm(g)
        g = g * where(length > most, most / maximum(length, 1e-6), 1.0)
        return g


class ClipStep(Stage):
    """Clip the step: by its root mean square, tensor by tensor.

    Where gradients have suddenly grown, an adaptive rule's step is longer than lr a coordinate,
    since its second moment lags behind. This brings it back, as Adafactor does. Put it behind
    the rule.

        u <- u min(1, lr clip_threshold / rms(u))         rms(u) = sqrt(mean(u^2))

    Paper: Shazeer and Stern 2018, arXiv:1804.04235, section 6.
    Differs: nothing.
    """

    clip_threshold: float = setting(1.0, above=0)

    @staticmethod
    def update(u, lr, clip_threshold):
        rms, most = sqrt(mean(u * u)), lr * clip_threshold
        u = (most / rms if rms > most else 1.0) * u
        return u
