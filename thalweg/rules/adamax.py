"""Adamax: Adam with the largest recent gradient in place of the mean square."""

from thalweg.elementwise import abs, lerp, maximum
from thalweg.rule import Rule, setting, state


class Adamax(Rule):
    """Adamax: Adam under the infinity norm.

    Divides by a decaying maximum of |g| where Adam divides by a root mean square:
    no step is longer than lr, and a rare large gradient is felt at once. Used for
    embeddings and other gradients that come in bursts.

        m    <- b1 m + (1 - b1) g
        peak <- max(b2 peak, |g| + eps)
        p    <- p - lr / (1 - b1^t) m / peak

    Paper: Kingma and Ba 2015, arXiv:1412.6980, Algorithm 2.
    Differs: as torch, eps is added to |g| (the paper has none).
    """

    signature = "lr, betas, eps, weight_decay"
    decay = "coupled"
    torch_flags = "foreach"

    lr: float = setting(2e-3, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-8, low=0)

    m = state("exp_avg")
    peak = state("exp_inf")

    @staticmethod
    def update(g, m, peak, t, lr, betas, eps):
        b1, b2 = betas
        m = lerp(m, g, 1 - b1)
        peak = maximum(b2 * peak, abs(g) + eps)
        u = lr / (1 - b1**t) * m / peak
        return u, m, peak
