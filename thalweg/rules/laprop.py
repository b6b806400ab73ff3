"""LaProp: momentum of normalized gradients."""

from thalweg.elementwise import lerp, sqrt
from thalweg.rule import Rule, setting, state


class LaProp(Rule):
    """LaProp: Adam with the division before the momentum.

    Each gradient is divided by the scale of its own time, and only then averaged: m and v no
    longer have to fit each other, so that any pair of betas is stable. For noisy gradients, and
    for a small b2, where Adam breaks.

        v <- b2 v + (1 - b2) g^2
        m <- b1 m + (1 - b1) g / (sqrt(vhat) + eps),          vhat = v / (1 - b2^t)
        p <- (1 - lr weight_decay) (p - lr m / (1 - b1^t))

    Paper: Ziyin et al. 2020, arXiv:2002.04839, Algorithm 1.
    Differs: not in torch. lr is outside the momentum, as in the paper; the authors' code, and ports
    of it, have it inside, which is the same while lr stays. Weights decay after the step, as there.
    """

    signature = "lr, betas, eps, weight_decay"

    lr: float = setting(4e-4, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-15, low=0)
    weight_decay: float = setting(0.0, low=0)
    spares = ("weight_decay",)

    m = state("exp_avg")
    v = state("exp_avg_sq")

    @staticmethod
    def update(p, g, m, v, t, lr, betas, eps, weight_decay):
        b1, b2 = betas
        v = b2 * v + (1 - b2) * g * g
        m = lerp(m, g / (sqrt(v) / sqrt(1 - b2**t) + eps), 1 - b1)
        u = lr / (1 - b1**t) * m
        if weight_decay != 0:
            u = u + lr * weight_decay * (p - u)
        return u, m, v
