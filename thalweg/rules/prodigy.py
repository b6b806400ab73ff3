"""Prodigy: Adam that finds its own learning rate."""

from thalweg.elementwise import abs, maximum, sqrt
from thalweg.reductions import sum
from thalweg.rule import Rule, setting, state


class Prodigy(Rule):
    """Prodigy: an expeditiously adaptive parameter-free learner.

    Estimates the distance d to the solution from how gradients and the way so far agree, over all
    parameters together, and steps by it: lr stays 1, and takes a schedule such as a cosine. For
    fine-tuning and adapters, where nobody wants to search for a rate.

        rate = d lr
        r  <- b3 r + (d / d0) rate <g, p0 - p>      b3 = sqrt(b2); over all tensors
        s  <- b3 s + (d / d0) rate g
        m  <- b1 m + (1 - b1) d g
        v  <- b2 v + (1 - b2) (d g)^2
        d  <- max(d, d_coef r / sum |s|)            p0 is where p was at the start
        p  <- p - rate (weight_decay p + m / (sqrt(v) + d eps))

    Paper: Mishchenko and Defazio 2023, arXiv:2306.06101, Algorithm 4.
    Differs: not in torch. As the authors' package without its options: rate is of the d before the
    step, eps is multiplied by the one after it. d and r are one for all parameters: groups have
    one lr, or 0, and the first parameter's betas and d_coef decide.
    """

    signature = "lr, betas, eps, weight_decay, d0, d_coef"

    lr: float = setting(1.0, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-8, low=0)
    weight_decay: float = setting(0.0, low=0)
    d0: float = setting(1e-6, above=0)
    d_coef: float = setting(1.0, above=0)
    spares = ("weight_decay",)
    alike = ("lr",)

    m = state("exp_avg")
    v = state("exp_avg_sq")
    s = state("s")
    p0 = state("p0", start="p")
    d = state("d", start="d0", per="all")
    r = state("d_numerator", per="all")

    @staticmethod
    def update(p, g, m, v, s, p0, d, r, lr, betas, eps, weight_decay, d0, d_coef):
        b1, b2 = betas
        b3, rate = sqrt(b2), d * lr
        m = b1 * m + (1 - b1) * d * g
        v = b2 * v + (1 - b2) * d * d * g * g
        s = b3 * s + d / d0 * rate * g
        r = b3 * r + sum(d / d0 * rate * g * (p0 - p), "all")
        whole = sum(abs(s), "all")
        d = maximum(d, d_coef * r / whole) if whole > 0 else d
        u = rate * (weight_decay * p + m / (sqrt(v) + d * eps))
        return u, m, v, s, d, r
