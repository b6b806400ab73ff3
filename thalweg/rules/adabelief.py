"""AdaBelief: Adam that trusts a gradient the more, the nearer it is to what was expected."""

from thalweg.elementwise import lerp, sqrt
from thalweg.rule import Rule, setting, state
from thalweg.rules.radam import length, rectification


class AdaBelief(Rule):
    """AdaBelief: steps by the belief in the gradient.

    Divides by how far gradients lie from their mean, where Adam divides by their size:
    long steps where gradients agree, short ones where they surprise. Meant to generalize
    as SGD does and to train as Adam does, GANs included.

        p   <- p - lr weight_decay p
        m   <- b1 m + (1 - b1) g
        s   <- b2 s + (1 - b2) (g - m)^2 + eps
        rho  = rho_inf - 2 t b2^t / (1 - b2^t),          rho_inf = 2/(1 - b2) - 1
        p   <- p - lr r sqrt(1 - b2^t) mhat / (sqrt(s) + eps)      with rectify, if rho >= 5
        p   <- p - lr mhat                                         with rectify, otherwise
        p   <- p - lr mhat / (sqrt(s / (1 - b2^t)) + eps)          without

    Paper: Zhuang et al. 2020, arXiv:2010.07468, Algorithm 2; r as in RAdam, arXiv:1908.03265.
    Differs: not in torch. As the authors' package, rectify is on, decay is decoupled and eps is
    1e-16, which vanishes beside s in float32; its amsgrad is not here.
    """

    signature = "lr, betas, eps, weight_decay, rectify"
    decay = "decoupled"

    lr: float = setting(1e-3, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-16, low=0)
    rectify: bool = True

    m = state("exp_avg")
    s = state("exp_avg_var")

    @staticmethod
    def update(g, m, s, t, lr, betas, eps, rectify):
        b1, b2 = betas
        m = lerp(m, g, 1 - b1)
        s = b2 * s + (1 - b2) * (g - m) * (g - m) + eps
        step, c = lr / (1 - b1**t), sqrt(1 - b2**t)
        if not rectify:
            u = step * m / (sqrt(s) / c + eps)
        elif length(b2, t) > 5:
            u = step * rectification(b2, t) * c * m / (sqrt(s) + eps)
        else:
            u = step * m
        return u, m, s
