"""Adam-mini: one step size for a whole row."""

from thalweg.elementwise import lerp, sqrt
from thalweg.reductions import mean
from thalweg.rule import Rule, setting, state


class AdamMini(Rule):
    """Adam-mini: one step size for a whole row.

    The coordinates of one row of a weight matrix, the weights of one neuron, share the
    second moment: half of Adam's memory is gone, and of its step sizes few were needed.

        p <- p - lr weight_decay p
        m <- b1 m + (1 - b1) g
        v <- b2 v + (1 - b2) mean(g^2)                   over a row: an index of axis 0
        p <- p - lr mhat / (sqrt(vhat) + eps)            mhat = m / (1 - b1^t)
                                                         vhat = v / (1 - b2^t)

    Paper: Zhang et al. 2024, arXiv:2406.16793, Algorithm 1.
    Differs: not in torch. The authors partition by the names of parameters (by head, by neuron, by
    row of an embedding); here it is by rows, which is that of neurons and embeddings.
    """

    signature = "lr, betas, eps, weight_decay"
    decay = "decoupled"

    lr: float = setting(1e-3, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-8, low=0)

    m = state("exp_avg")
    v = state("vmean", per="row")

    @staticmethod
    def update(g, m, v, t, lr, betas, eps):
        b1, b2 = betas
        m = lerp(m, g, 1 - b1)
        v = b2 * v + (1 - b2) * mean(g * g, "row")
        u = lr / (1 - b1**t) * m / (sqrt(v) / sqrt(1 - b2**t) + eps)
        return u, m, v
