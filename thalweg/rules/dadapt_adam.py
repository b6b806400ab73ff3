"""D-Adapt Adam: Adam that finds its own learning rate."""

from thalweg.elementwise import abs, maximum, minimum, sqrt
from thalweg.reductions import sum
from thalweg.rule import Rule, setting, state


class DAdaptAdam(Rule):
    """D-Adapt Adam: Adam with a rate from a lower bound of the distance to the solution.

    The bound d grows from almost nothing to what the gradients allow within some hundred steps,
    over all parameters together; lr stays 1, and takes a schedule. Prodigy is its successor, and
    faster; this one is steadier where d would grow too far.

        rate = d lr                                  sqrt(1 - b2^t) / (1 - b1^t) times as much
        n     = rate <g, s / (sqrt(v) + eps)>        with use_bias_correction; over all tensors
        m    <- b1 m + (1 - b1) rate g
        v    <- b2 v + (1 - b2) g^2
        s    <- b3 s + (1 - b3) rate g               b3 = sqrt(b2)
        r    <- b3 r + (1 - b3) n
        d    <- max(d, min(r / ((1 - b3) sum |s|), growth_rate d))
        p    <- p - m / (sqrt(v) + eps)              and rate weight_decay p, of the d before
        g    <- g + weight_decay p                   in front of all, without `decouple`

    Paper: Defazio and Mishchenko 2023, arXiv:2301.07733, Algorithm 5.
    Differs: not in torch. As the authors' dadaptation, with eps and weight_decay; groups have one
    lr or 0, and the first parameter's betas and growth_rate decide. Batches with no gradient at
    all count as steps.
    """

    signature = "lr, betas, eps, weight_decay, decouple, use_bias_correction, d0, growth_rate"

    lr: float = setting(1.0, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-8, above=0)
    weight_decay: float = setting(0.0, low=0)
    decouple: bool = False
    use_bias_correction: bool = False
    d0: float = setting(1e-6, above=0)
    growth_rate: float = setting(float("inf"), low=1)
    spares = ("weight_decay",)
    alike = ("lr",)

    m = state("exp_avg")
    v = state("exp_avg_sq")
    s = state("s")
    d = state("d", start="d0", per="all")
    r = state("numerator_weighted", per="all")

    @staticmethod
    def update(
        p,
        g,
        m,
        v,
        s,
        d,
        r,
        t,
        lr,
        betas,
        eps,
        weight_decay,
        decouple,
        use_bias_correction,
        d0,
        growth_rate,
    ):
        b1, b2 = betas
        b3, rate = sqrt(b2), d * lr
        if use_bias_correction:
            rate = rate * sqrt(1 - b2**t) / (1 - b1**t)
        decayed = 0.0
        if decouple:
            decayed = rate * weight_decay * p
        else:
            g = g + weight_decay * p
        n = sum(rate * g * s / (sqrt(v) + eps), "all")
        m = b1 * m + (1 - b1) * rate * g
        v = b2 * v + (1 - b2) * g * g
        s = b3 * s + (1 - b3) * rate * g
        r = b3 * r + (1 - b3) * n
        whole = (1 - b3) * sum(abs(s), "all")
        d = maximum(d, minimum(r / whole, growth_rate * d)) if whole > 0 else d
        u = decayed + m / (sqrt(v) + eps)
        return u, m, v, s, d, r
