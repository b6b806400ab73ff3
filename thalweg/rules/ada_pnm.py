"""AdaPNM: Adam on the difference of two momenta."""

from thalweg.elementwise import exp, lerp, log, maximum, minimum, sqrt
from thalweg.reductions import mean
from thalweg.rule import Rule, setting, state


def smooth(x, beta):
    """Softplus: x where it is large, and never below log(2) / beta."""
    return maximum(x, 0.0) + log(1 + exp(minimum(beta * x, -beta * x))) / beta


class AdaPNM(Rule):
    """AdaPNM: Adam on the difference of two momenta.

    Steps of odd and even number have a momentum each; the step is along more than all of one, less
    some of the other. That leaves the mean as it is and makes its noise larger, as a small batch
    would, which finds flatter minima. Ranger21 is built around it.

        m    <- b1^2 m + (1 - b1^2) g                     at odd steps; at even ones n, by the same
        v    <- b2 v + (1 - b2) g^2
        vmax <- max(vmax, v)                              with amsgrad
        d     = ((1 + b3) m - b3 n) / sqrt((1 + b3)^2 + b3^2)         m and n change places
        p    <- p - lr (d / (1 - b1^t) / (sqrt(vhat) + eps) + decay p)
        decay = weight_decay, over sqrt(mean(vhat)) of all tensors with stable_decay
        vhat  = v / (1 - b2^t), or vmax's;  with softplus log(1 + e^(softplus x)) / softplus of
                                            x = sqrt(vhat) + eps takes its place

    Paper: Xie et al. 2021, arXiv:2103.17182, Algorithm 2; stable decay: arXiv:2011.11152.
    Differs: not in torch. b3 is the paper's beta_0, the third of the betas; the decay is decoupled.
    """

    signature = "lr, betas, eps, weight_decay, amsgrad, *, stable_decay, softplus"

    lr: float = setting(1e-3, low=0)
    betas: tuple[float, float, float] = setting((0.9, 0.999, 1.0), low=0, below=(1, 1, None))
    eps: float = setting(1e-8, low=0)
    weight_decay: float = setting(0.0, low=0)
    amsgrad: bool = True
    stable_decay: bool = False
    softplus: float = setting(0.0, low=0)
    spares = ("weight_decay",)

    m = state("exp_avg")
    n = state("neg_exp_avg")
    v = state("exp_avg_sq")
    vmax = state("max_exp_avg_sq")

    @staticmethod
    def update(
        p, g, m, n, v, vmax, t, lr, betas, eps, weight_decay, amsgrad, stable_decay, softplus
    ):
        b1, b2, b3 = betas
        if t % 2 == 1:
            m = lerp(m, g, 1 - b1 * b1)
            d = (1 + b3) * m - b3 * n
        else:
            n = lerp(n, g, 1 - b1 * b1)
            d = (1 + b3) * n - b3 * m
        v = b2 * v + (1 - b2) * g * g
        second = v
        if amsgrad:
            vmax = maximum(vmax, v)
            second = vmax
        under = sqrt(second) / sqrt(1 - b2**t) + eps
        if softplus > 0:
            under = smooth(under, softplus)
        size = lr / (1 - b1**t) / sqrt((1 + b3) * (1 + b3) + b3 * b3)
        u = size * d / under
        if weight_decay != 0:  # 0 times an infinite weight would be NaN
            whole = 1.0
            if stable_decay:
                whole = sqrt(mean(v / (1 - b2**t), "all"))
            u = u + (lr * weight_decay / whole if whole > 0 else 0.0) * p
        return u, m, n, v, vmax
