"""Yogi: Adam whose second moment moves by steps of bounded size."""

from thalweg.elementwise import lerp, sign, sqrt
from thalweg.rule import Rule, setting, state


class Yogi(Rule):
    """Yogi: additive adaptivity.

    Adam forgets a large second moment within 1/(1 - b2) steps, and its steps then jump; Yogi
    changes v by no more than (1 - b2) g^2 at a time, either way. For sparse or bursty gradients,
    and as the server's rule in federated learning.

        m <- b1 m + (1 - b1) g
        v <- v - (1 - b2) sign(v - g^2) g^2
        p <- p - lr mhat / (sqrt(vhat) + eps),      mhat = m / (1 - b1^t)
                                                    vhat = v / (1 - b2^t)

    Paper: Zaheer et al. 2018, "Adaptive Methods for Nonconvex Optimization", NeurIPS, Algorithm 2.
    Differs: not in torch. As optax and the ports, bias is corrected (the paper has none) and both
    moments start at initial_accumulator_value.
    """

    signature = "lr, betas, eps, initial_accumulator_value, weight_decay, decoupled_weight_decay"
    decay = "either"

    lr: float = setting(1e-2, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-3, low=0)
    initial_accumulator_value: float = setting(1e-6, low=0)

    m = state("exp_avg", start="initial_accumulator_value")
    v = state("exp_avg_sq", start="initial_accumulator_value")

    @staticmethod
    def update(g, m, v, t, lr, betas, eps):
        b1, b2 = betas
        m = lerp(m, g, 1 - b1)
        v = v - (1 - b2) * sign(v - g * g) * g * g
        u = lr / (1 - b1**t) * m / (sqrt(v) / sqrt(1 - b2**t) + eps)
        return u, m, v
