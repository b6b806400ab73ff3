"""Padam: between SGD with momentum and AMSGrad, by an exponent."""

from thalweg.elementwise import maximum, sqrt
from thalweg.rule import Rule, setting, state
from thalweg.rules.adam import moments


class Padam(Rule):
    """Padam: partially adaptive moments.

    Divides by a power of the second moment that is smaller than Adam's square root: 1/2 for
    partial is AMSGrad, 0 is SGD with momentum. For convolutional networks, with an lr close to
    SGD's and the schedule of SGD.

        m    <- b1 m + (1 - b1) g
        v    <- b2 v + (1 - b2) g^2
        vmax <- max(vmax, v)                               with amsgrad; otherwise vmax = v
        p    <- p - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(vmax) + eps)^(2 partial)

    Paper: Chen et al. 2020, arXiv:1806.06763, Algorithm 1.
    Differs: not in torch. As the authors' code, bias is corrected (the paper has none), and eps is
    added to the root before the power; amsgrad is on, and there to be turned off.
    """

    signature = "lr, betas, eps, weight_decay, amsgrad, partial, *, decoupled_weight_decay"
    decay = "either"

    lr: float = setting(1e-1, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-8, low=0)
    amsgrad: bool = True
    partial: float = setting(0.25, low=0, high=0.5)

    m = state("exp_avg")
    v = state("exp_avg_sq")
    vmax = state("max_exp_avg_sq")

    @staticmethod
    def update(g, m, v, vmax, t, lr, betas, eps, amsgrad, partial):
        b1, b2 = betas
        m, v = moments(g, m, v, b1, b2)
        second = v
        if amsgrad:
            vmax = maximum(vmax, v)
            second = vmax
        step = lr * sqrt(1 - b2**t) / (1 - b1**t)
        u = step * m / (sqrt(second) + eps) ** (2 * partial)
        return u, m, v, vmax
