"""Adam and, with a decoupled decay in front of it, AdamW."""

from thalweg.elementwise import lerp, maximum, sqrt
from thalweg.rule import Rule, setting, state


def moments(g, m, v, b1, b2):
    """The means of recent gradients and of their squares."""
    m = lerp(m, g, 1 - b1)
    v = b2 * v + (1 - b2) * g * g
    return m, v


class Adam(Rule):
    """Adam: adaptive moments.

    A step of about lr in every coordinate, whatever the gradient's scale: the mean
    of recent gradients over the root of their mean square. The default for most
    networks; with decoupled weight decay it is AdamW, the default for transformers.

        m    <- b1 m + (1 - b1) g
        v    <- b2 v + (1 - b2) g^2
        vmax <- max(vmax, v)                              with amsgrad
        p    <- p - lr mhat / (sqrt(vhat) + eps),         mhat = m / (1 - b1^t)
                                                          vhat = v / (1 - b2^t), or vmax's

    Paper: Kingma and Ba 2015, arXiv:1412.6980, Algorithm 1; amsgrad: Reddi et al. 2018,
    arXiv:1904.09237; decoupled decay: Loshchilov and Hutter 2019, arXiv:1711.05101.
    Differs: as torch, vmax is taken before the bias correction (the paper has none). Where torch
    refuses an lr or betas that are tensors, with foreach or beside floats, they are taken.
    """

    signature = "lr, betas, eps, weight_decay, amsgrad, *, decoupled_weight_decay"
    decay = "either"

    lr: float = setting(1e-3, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-8, low=0)
    amsgrad: bool = False

    m = state("exp_avg")
    v = state("exp_avg_sq")
    vmax = state("max_exp_avg_sq")

    @staticmethod
    def update(g, m, v, vmax, t, lr, betas, eps, amsgrad):
        b1, b2 = betas
        m, v = moments(g, m, v, b1, b2)
        second = v
        if amsgrad:
            vmax = maximum(vmax, v)
            second = vmax
        u = lr / (1 - b1**t) * m / (sqrt(second) / sqrt(1 - b2**t) + eps)
        return u, m, v, vmax
