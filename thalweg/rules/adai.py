"""Adai: momentum whose inertia adapts, coordinate by coordinate."""

from thalweg.elementwise import lerp, maximum, minimum
from thalweg.reductions import mean
from thalweg.rule import Rule, setting, state


class Adai(Rule):
    """Adai: adaptive inertia.

    Where Adam adapts the step size, Adai adapts the momentum: coordinates with small gradients
    beside all the network's keep theirs longest, and leave saddles quickly, while the steps are
    SGD's, and so are the flat minima. Its lr is ten times that of SGD with momentum.

        v <- b2 v + (1 - b2) g^2,       vhat = v / (1 - b2^t)
        x  = min(max(b0 vhat / mean(vhat), eps), 1)      mean over all tensors
        m <- m + x (g - m)                               1 - x is Adam's b1
        c <- c + x (1 - c)                               1 minus the product of all 1 - x
        p <- p - lr m / c

    Paper: Xie et al. 2022, arXiv:2006.15815, Algorithm 2.
    Differs: not in torch. betas are (b0, b2). The paper keeps the product itself, which is close
    to 1, and loses c's digits; where all gradients are zero, x is eps.
    """

    signature = "lr, betas, eps, weight_decay, decoupled_weight_decay"
    decay = "either"

    lr: float = setting(0.1, low=0)
    betas: tuple[float, float] = setting((0.1, 0.99), low=0, below=(None, 1))
    eps: float = setting(1e-3, above=0, high=1)

    m = state("exp_avg")
    v = state("exp_avg_sq")
    c = state("bias_correction")

    @staticmethod
    def update(g, m, v, c, t, lr, betas, eps):
        b0, b2 = betas
        v = b2 * v + (1 - b2) * g * g
        vhat = v / (1 - b2**t)
        whole = mean(vhat, "all")
        x = minimum(maximum(b0 * vhat / whole if whole > 0 else 0.0, eps), 1.0)
        m = lerp(m, g, x)
        c = lerp(c, 1.0, x)
        u = lr * m / c
        return u, m, v, c
