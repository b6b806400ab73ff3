"""DiffGrad: Adam that brakes where the gradient has stopped changing."""

from thalweg.elementwise import abs, exp, sqrt
from thalweg.rule import Rule, setting, state
from thalweg.rules.adam import moments


class DiffGrad(Rule):
    """DiffGrad: friction from the change of the gradient.

    Multiplies Adam's step by a number between 1/2 and 1: nearly 1 where the gradient changes a
    lot from step to step, 1/2 where it does not, as near a minimum. For convolutional networks
    that overshoot under Adam; keep Adam's settings.

        xi    = sigmoid(|g - last|),  last <- g            last is zero at first
        m    <- b1 m + (1 - b1) g
        v    <- b2 v + (1 - b2) g^2
        p    <- p - lr sqrt(1 - b2^t) / (1 - b1^t) xi m / (sqrt(v) + eps)

    Paper: Dubey et al. 2019, arXiv:1909.11015, Equations 8 to 13.
    Differs: not in torch. As the authors' code, eps is added before the bias correction.
    """

    signature = "lr, betas, eps, weight_decay, decoupled_weight_decay"
    decay = "either"

    lr: float = setting(1e-3, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-8, low=0)

    m = state("exp_avg")
    v = state("exp_avg_sq")
    last = state("previous_grad")

    @staticmethod
    def update(g, m, v, last, t, lr, betas, eps):
        b1, b2 = betas
        m, v = moments(g, m, v, b1, b2)
        friction = 1 + exp(-abs(g - last))
        u = lr * sqrt(1 - b2**t) / (1 - b1**t) * m / ((sqrt(v) + eps) * friction)
        last = g
        return u, m, v, last
