"""LARS: momentum with a rate of its own for every layer."""

from thalweg.reductions import norm
from thalweg.rule import Rule, setting, state


class LARS(Rule):
    """LARS: layer-wise adaptive rate scaling.

    Each tensor's gradient is brought to a share of its weights' length before it goes into the
    momentum: layers with small weights and large gradients no longer decide the rate of all. For
    convolutional networks on batches of thousands, and self-supervised training.

        q  = trust |p| / (|g| + weight_decay |p| + eps)      1 where |p| or |g| is zero
        b <- momentum b + q (g + weight_decay p)
        p <- p - lr b

    Paper: You, Gitman and Ginsburg 2017, arXiv:1708.03888, Algorithm 1.
    Differs: not in torch. lr stands outside of b, as in torch's SGD and in timm (in the paper it
    is inside), and eps is timm's. Biases and norms usually go without: `decay_filter` spares them
    the decay, a group of plain SGD the scaling.
    """

    signature = "lr, momentum, weight_decay, trust, eps"

    lr: float = setting(1.0, low=0)
    momentum: float = setting(0.9, low=0)
    weight_decay: float = setting(0.0, low=0)
    trust: float = setting(1e-3, above=0)
    eps: float = setting(1e-8, low=0)
    spares = ("weight_decay",)

    b = state("momentum_buffer")

    @staticmethod
    def update(p, g, b, lr, momentum, weight_decay, trust, eps):
        weight, length = norm(p), norm(g)
        whole = length + weight_decay * weight + eps
        q = trust * weight / whole if weight > 0 and length > 0 else 1.0
        b = momentum * b + q * (g + weight_decay * p)
        u = lr * b
        return u, b
