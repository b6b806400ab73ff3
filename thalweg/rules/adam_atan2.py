"""Adam-atan2: Adam with the arctangent in place of the division."""

from thalweg.elementwise import atan2, sqrt
from thalweg.rule import Rule, setting, state
from thalweg.rules.adam import moments


class AdamAtan2(Rule):
    """Adam-atan2: Adam without an eps.

    The angle between mhat and the root of vhat where Adam has their quotient: nothing is divided,
    so there is no eps to choose, gradients of any scale are treated alike, and no step is longer
    than a pi / 2 lr. For large models at Adam's lr, where eps would matter.

        p <- p - lr weight_decay p
        m <- b1 m + (1 - b1) g
        v <- b2 v + (1 - b2) g^2
        p <- p - lr a atan2(mhat, b sqrt(vhat)),      mhat = m / (1 - b1^t)
                                                      vhat = v / (1 - b2^t)

    Paper: Everett et al. 2024, arXiv:2407.05872, Section 4.3.
    Differs: not in torch. As adam-atan2-pytorch, a is 1.27 and b is 1: a step is then about as long
    as Adam's. weight_decay is 0 unless it is given.
    """

    signature = "lr, betas, weight_decay, *, a, b"
    decay = "decoupled"

    lr: float = setting(1e-4, low=0)
    betas: tuple[float, float] = setting((0.9, 0.99), low=0, below=1)
    a: float = setting(1.27, low=0)
    b: float = setting(1.0, low=0)

    m = state("exp_avg")
    v = state("exp_avg_sq")

    @staticmethod
    def update(g, m, v, t, lr, betas, a, b):
        b1, b2 = betas
        m, v = moments(g, m, v, b1, b2)
        u = lr * a * atan2(1 / (1 - b1**t) * m, b / sqrt(1 - b2**t) * sqrt(v))
        return u, m, v
