"""RAdam: Adam with its early variance rectified."""

from thalweg.elementwise import sqrt
from thalweg.rule import Rule, setting, state
from thalweg.rules.adam import moments


def length(b2, t):
    """rho, of how many gradients v is the average at step t."""
    rho_inf = 2 / (1 - b2) - 1
    return rho_inf - 2 * t * b2**t / (1 - b2**t)


def rectification(b2, t):
    """The factor r of step t, where rho is above 4."""
    rho_inf = 2 / (1 - b2) - 1
    rho = length(b2, t)
    return sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))


class RAdam(Rule):
    """Rectified Adam.

    Early on, v has seen too few gradients for 1/sqrt(v) to be reliable. RAdam
    measures how many it has effectively seen (rho). Up to five it takes a plain
    momentum step; beyond that it takes Adam's step, scaled by r: no warm-up needed.

        m   <- b1 m + (1 - b1) g
        v   <- b2 v + (1 - b2) g^2
        rho  = rho_inf - 2 t b2^t / (1 - b2^t),      rho_inf = 2/(1 - b2) - 1
        r^2  = (rho - 4)(rho - 2) rho_inf / ((rho_inf - 4)(rho_inf - 2) rho)
        p   <- p - lr r mhat / (sqrt(vhat) + eps)    if rho > n_sma_threshold
        p   <- p - lr mhat                           otherwise

    Paper: Liu et al. 2020, arXiv:1908.03265, Algorithm 2.
    Differs: threshold 5 as in torch.optim.RAdam (the paper has 4); eps is added
    to sqrt(v), before bias correction. warmup_mode="skip" makes no step at all
    while rho is small, as the authors' code does by default.
    """

    signature = "lr, betas, eps, weight_decay, decoupled_weight_decay"
    decay = "either"

    lr: float = setting(1e-3, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-8, low=0)
    n_sma_threshold: float = setting(5.0, low=4)
    warmup_mode: str = setting("sgd", choices=("sgd", "skip"))

    m = state("exp_avg")
    v = state("exp_avg_sq")

    @staticmethod
    def update(g, m, v, t, lr, betas, eps, n_sma_threshold, warmup_mode):
        b1, b2 = betas
        m, v = moments(g, m, v, b1, b2)
        step = lr / (1 - b1**t)
        if length(b2, t) > n_sma_threshold:
            u = step * rectification(b2, t) * sqrt(1 - b2**t) * m / (sqrt(v) + eps)
        elif warmup_mode == "sgd":
            u = step * m
        else:
            u = 0.0
        return u, m, v
