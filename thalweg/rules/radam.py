"""RAdam: Adam with its early variance rectified."""

from thalweg.elementwise import lerp, sqrt
from thalweg.rule import Rule, setting, state


def rectification(b2, t, threshold):
    """The factor r of step t, or 0 where rho, the length of the average that v is, is too short."""
    rho_inf = 2 / (1 - b2) - 1
    rho = rho_inf - 2 * t * b2**t / (1 - b2**t)
    if rho <= threshold:
        return 0.0
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
    def scalars(h, t):
        b1, b2 = h.betas
        r = rectification(b2, t, h.n_sma_threshold)
        return dict(b1=b1, b2=b2, step=h.lr / (1 - b1**t), r=r, c=sqrt(1 - b2**t))

    @staticmethod
    def update(p, g, m, v, b1, b2, step, r, c, eps, warmup_mode):
        m = lerp(m, g, 1 - b1)
        v = b2 * v + (1 - b2) * g * g
        if r > 0:
            p = p - step * r * c * m / (sqrt(v) + eps)
        elif warmup_mode == "sgd":
            p = p - step * m
        return p, m, v
