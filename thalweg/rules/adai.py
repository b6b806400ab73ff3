"""Adai: momentum whose inertia adapts, coordinate by coordinate."""

from thalweg.elementwise import maximum, minimum
from thalweg.reductions import mean
from thalweg.rule import Rule, setting, state


class Adai(Rule):
    """Adai: adaptive inertia.

    Where Adam adapts the step size, Adai adapts the momentum: coordinates with small gradients
    beside those of all the network keep theirs longest, and leave saddles quickly, while the step
    is SGD's and so are the flat minima that it chooses. For vision; lr is ten times SGD's.

        v  <- b2 v + (1 - b2) g^2,       vhat = v / (1 - b2^t)
        b1  = min(max(1 - b0 vhat / mean(vhat), 0), 1 - eps)      mean over all tensors
        B  <- b1 B                                                a product; it begins as 1
        m  <- b1 m + (1 - b1) g
        p  <- p - lr m / (1 - B)

    Paper: Xie et al. 2022, arXiv:2006.15815, Algorithm 2.
    Differs: not in torch. Where all gradients are zero, b1 is 1 - eps. betas are (b0, b2).
    """

    signature = "lr, betas, eps, weight_decay, decoupled_weight_decay"
    decay = "either"

    lr: float = setting(1.0, low=0)
    betas: tuple[float, float] = setting((0.1, 0.99), low=0, below=(None, 1))
    eps: float = setting(1e-3, above=0, high=1)

    m = state("exp_avg")
    v = state("exp_avg_sq")
    B = state("beta1_prod", start=1.0)

    @staticmethod
    def update(g, m, v, B, t, lr, betas, eps):
        b0, b2 = betas
        v = b2 * v + (1 - b2) * g * g
        vhat = v / (1 - b2**t)
        whole = mean(vhat, "all")
        b1 = minimum(maximum(1 - b0 * (vhat / whole if whole > 0 else vhat), 0.0), 1 - eps)
        B = b1 * B
        m = b1 * m + (1 - b1) * g
        u = lr * m / (1 - B)
        return u, m, v, B
