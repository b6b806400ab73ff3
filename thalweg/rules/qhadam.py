"""QHAdam: Adam whose moments also look at the gradient of now."""

from thalweg.elementwise import sqrt
from thalweg.rule import Rule, setting, state
from thalweg.rules.adam import moments


class QHAdam(Rule):
    """QHAdam: quasi-hyperbolic Adam.

    Takes the share 1 - nu of the gradient itself beside each moment, so that b1 may be long
    without a late step. A drop-in where Adam is sensitive to b1; (1, 1) for nus is Adam, and
    (b1, 1) nearly NAdam.

        m <- b1 m + (1 - b1) g
        v <- b2 v + (1 - b2) g^2
        p <- p - lr ((1 - n1) g + n1 mhat) / (sqrt((1 - n2) g^2 + n2 vhat) + eps)
        mhat = m / (1 - b1^t),  vhat = v / (1 - b2^t),  n1 and n2 are nus

    Paper: Ma and Yarats 2019, arXiv:1810.06801, Section 5.
    Differs: not in torch. betas and nus are those that the paper recommends; the authors' package
    has Adam's betas and nus of (1, 1), which is Adam.
    """

    signature = "lr, betas, nus, weight_decay, decoupled_weight_decay, eps"
    decay = "either"

    lr: float = setting(1e-3, low=0)
    betas: tuple[float, float] = setting((0.995, 0.999), low=0, below=1)
    nus: tuple[float, float] = setting((0.7, 1.0), low=0, high=1)
    eps: float = setting(1e-8, low=0)

    m = state("exp_avg")
    v = state("exp_avg_sq")

    @staticmethod
    def update(g, m, v, t, lr, betas, nus, eps):
        b1, b2 = betas
        n1, n2 = nus
        m, v = moments(g, m, v, b1, b2)
        d = (1 - n1) * g + n1 / (1 - b1**t) * m
        u = lr * d / (sqrt((1 - n2) * g * g + n2 / (1 - b2**t) * v) + eps)
        return u, m, v
