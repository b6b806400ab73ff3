"""NovoGrad: gradients divided by their layer's size, then summed up."""

from thalweg.elementwise import sqrt
from thalweg.reductions import sum
from thalweg.rule import Rule, setting, state


class NovoGrad(Rule):
    """NovoGrad: stochastic gradient descent with layer-wise normalized gradients.

    One second moment per tensor, of one number, where Adam has an array: half of Adam's memory,
    and a large gradient shrinks its layer's step at once. For speech and convolutional networks.

        v <- b2 v + (1 - b2) |g|^2              the first time: v <- |g|^2; one number
        m <- b1 m + g / (sqrt(v) + eps) + weight_decay p
        p <- p - lr m

    Paper: Ginsburg et al. 2019, arXiv:1905.11286, Algorithm 1.
    Differs: not in torch. m is a sum, as in the paper, so lr counts 1 / (1 - b1) times.
    """

    signature = "lr, betas, eps, weight_decay"

    lr: float = setting(1e-2, low=0)
    betas: tuple[float, float] = setting((0.95, 0.98), low=0, below=1)
    eps: float = setting(1e-8, low=0)
    weight_decay: float = setting(0.0, low=0)
    spares = ("weight_decay",)

    m = state("exp_avg")
    v = state("exp_avg_norm_sq", per="tensor")

    @staticmethod
    def update(p, g, m, v, t, lr, betas, eps, weight_decay):
        b1, b2 = betas
        square = sum(g * g)
        v = square if t == 1 else b2 * v + (1 - b2) * square
        m = b1 * m + g / (sqrt(v) + eps) + weight_decay * p
        u = lr * m
        return u, m, v
