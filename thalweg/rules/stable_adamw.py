"""StableAdamW: AdamW that clips its own step."""

from thalweg.elementwise import lerp, maximum, sqrt
from thalweg.reductions import mean
from thalweg.rule import Rule, setting, state


class StableAdamW(Rule):
    """StableAdamW: AdamW with the step clipped as Adafactor's is.

    Where gradients have suddenly grown, v lags behind and Adam's step is too long: a tensor's rate
    is then divided by how much. Takes the place of gradient clipping, and of its setting;
    ModernBERT and other large models were trained with it.

        ki    = (1 - bi) / (1 - bi^t)                    so no bias is left to correct
        m    <- m + k1 (g - m)
        v    <- v + k2 (g^2 - v)
        rms   = sqrt(mean(g^2 / max(v, eps^2)))          of the tensor
        rate  = lr / max(1, rms)
        p    <- p - rate (weight_decay p + m / (sqrt(v) + eps))

    Paper: Wortsman et al. 2023, arXiv:2304.13013, Algorithm 2.
    Differs: not in torch. Each parameter counts its own steps; where others have one count for
    all, a parameter that joins late takes too short steps.
    """

    signature = "lr, betas, eps, weight_decay"

    lr: float = setting(1e-3, low=0)
    betas: tuple[float, float] = setting((0.9, 0.99), low=0, below=1)
    eps: float = setting(1e-6, above=0)
    weight_decay: float = setting(1e-2, low=0)
    spares = ("weight_decay",)

    m = state("exp_avg")
    v = state("exp_avg_sq")

    @staticmethod
    def update(p, g, m, v, t, lr, betas, eps, weight_decay):
        b1, b2 = betas
        m = lerp(m, g, (1 - b1) / (1 - b1**t))
        v = lerp(v, g * g, (1 - b2) / (1 - b2**t))
        rms = sqrt(mean(g * g / maximum(v, eps * eps)))
        rate = lr / maximum(1.0, rms)
        u = rate * (weight_decay * p + m / (sqrt(v) + eps))
        return u, m, v
