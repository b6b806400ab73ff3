"""NAdam: Adam with Nesterov's momentum."""

from thalweg.elementwise import sqrt
from thalweg.rule import Rule, setting, state
from thalweg.rules.adam import moments


class NAdam(Rule):
    """NAdam: Adam that looks ahead, with Nesterov's momentum.

    The step uses the momentum as it will be after the next gradient, and its
    coefficient mu warms up from b1 / 2 to b1. Often a little faster than Adam at
    the same settings.

        mu_t        = b1 (1 - 0.96^(t momentum_decay) / 2)
        mu_product <- mu_product mu_t
        m          <- b1 m + (1 - b1) g
        v          <- b2 v + (1 - b2) g^2
        mhat        = mu_(t+1) m / (1 - mu_product mu_(t+1)) + (1 - mu_t) g / (1 - mu_product)
        p          <- p - lr mhat / (sqrt(vhat) + eps),      vhat = v / (1 - b2^t)

    Paper: Dozat 2016, "Incorporating Nesterov Momentum into Adam", ICLR workshop.
    Differs: as torch, m itself decays with b1; the paper lets it decay with mu_t.
    """

    signature = "lr, betas, eps, weight_decay, momentum_decay, decoupled_weight_decay"
    decay = "either"

    lr: float = setting(2e-3, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-8, low=0)
    momentum_decay: float = setting(4e-3, low=0)

    keeps_singles = True

    mu_product = state("mu_product", start=1.0, per="tensor")
    m = state("exp_avg")
    v = state("exp_avg_sq")

    @staticmethod
    def update(g, m, v, mu_product, t, lr, betas, eps, momentum_decay):
        b1, b2 = betas
        m, v = moments(g, m, v, b1, b2)
        mu = b1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
        following = b1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
        mu_product = mu_product * mu
        of_g = lr * (1 - mu) / (1 - mu_product)
        of_m = lr * following / (1 - mu_product * following)
        u = (of_g * g + of_m * m) / (sqrt(v / (1 - b2**t)) + eps)
        return u, m, v, mu_product
