"""ADOPT: Adam that divides by what it knew before this gradient."""

from thalweg.elementwise import lerp, maximum, minimum, sqrt
from thalweg.rule import Rule, setting, state


class ADOPT(Rule):
    """ADOPT: Adam that converges with any b2.

    Divides each gradient by the second moment of those before it, and averages afterwards: a
    gradient no longer damps itself, which is what keeps Adam from converging. The first step
    only looks. A drop-in for Adam at its lr; decoupled_weight_decay=True for AdamW's.

        v <- g^2                                              in the first step, and nothing else
        d  = g / max(sqrt(v), eps)
        m <- b1 m + (1 - b1) clip(d, -c, c),                  c = (t - 1)^(1/4)
        p <- p - lr (m + weight_decay p)                      the decay if it is decoupled
        v <- b2 v + (1 - b2) g^2

    Paper: Taniguchi et al. 2024, arXiv:2411.02853, Algorithm 2; clip=False is Algorithm 1.
    Differs: not in torch. As the authors' package, weight decay is L2, g <- g + weight_decay p,
    unless decoupled_weight_decay is given, and no weight decays in the first step.
    """

    signature = "lr, betas, eps, weight_decay, decoupled_weight_decay, *, clip"

    lr: float = setting(1e-3, low=0)
    betas: tuple[float, float] = setting((0.9, 0.9999), low=0, below=1)
    eps: float = setting(1e-6, above=0)
    weight_decay: float = setting(0.0, low=0)
    decoupled_weight_decay: bool = False
    clip: bool = True
    spares = ("weight_decay",)

    m = state("exp_avg")
    v = state("exp_avg_sq")

    @staticmethod
    def update(p, g, m, v, t, lr, betas, eps, weight_decay, decoupled_weight_decay, clip):
        b1, b2 = betas
        if weight_decay != 0 and not decoupled_weight_decay:
            g = g + weight_decay * p
        if t == 1:
            v = g * g
            u = 0.0
        else:
            d = g / maximum(sqrt(v), eps)
            if clip:
                c = (t - 1) ** 0.25
                d = minimum(maximum(d, -c), c)
            m = lerp(m, d, 1 - b1)
            v = b2 * v + (1 - b2) * g * g
            u = lr * m
            if weight_decay != 0 and decoupled_weight_decay:
                u = u + lr * weight_decay * p
        return u, m, v
