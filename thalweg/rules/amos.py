"""Amos: steps and a decay that lead each layer to the scale its model wants."""

from thalweg.elementwise import lerp, maximum, sqrt
from thalweg.reductions import mean
from thalweg.rule import Rule, setting, state


class Amos(Rule):
    """Amos: an Adam-style optimizer with adaptive weight decay towards a model-oriented scale.

    Told how large the weights of a layer should become, it works out both a decay and a falling
    rate of its own: no schedule but a warm-up. Two numbers per tensor are all it keeps. Reported
    for pretraining of BERT and T5. lr is about 1 / sqrt(batches of the data).

        v     <- beta v + (1 - beta) mean(g^2),       vhat = v / (1 - beta^t)
        gamma  = lr^2 mean(g^2) / vhat / sqrt(1 + zeta sqrt(lr) b)
        d      = (lr eta g / sqrt(vhat) + gamma / 2 p) / (1 + zeta sqrt(lr eta) b)
        b     <- b + gamma (1 + b)
        m     <- momentum m + (1 - momentum) d        with momentum; otherwise m = d
        p     <- p - m

    Paper: Tian and Parikh 2022, arXiv:2210.11693, Algorithm 1.
    Differs: not in torch. v and b are one number per tensor, and eta is one per group; where it
    is not given, 1 / sqrt(columns) of a matrix and 0.5 of a vector, as the paper has it for linear
    layers and their biases. Embeddings and norms want theirs, 1 say.
    """

    signature = "lr, beta, momentum, eta, zeta, eps"

    lr: float = setting(1e-3, low=0)
    beta: float = setting(0.999, low=0, below=1)
    momentum: float = setting(0.0, low=0, below=1)
    eta: float = setting(0.0, low=0)
    zeta: float = setting(0.25, low=0)
    eps: float = setting(1e-30, above=0)

    m = state("exp_avg")
    v = state("exp_avg_sq", per="tensor")
    b = state("decay", per="tensor")

    @staticmethod
    def update(p, g, m, v, b, t, ndim, columns, lr, beta, momentum, eta, zeta, eps):
        scale = eta
        if eta == 0:
            scale = 1 / sqrt(maximum(columns, 1)) if ndim > 1 else 0.5
        square = mean(g * g)
        v = beta * v + (1 - beta) * square
        vhat = maximum(v, eps) / (1 - beta**t)
        gamma = lr * lr * square / vhat / sqrt(1 + zeta * sqrt(lr) * b)
        d = (lr * scale / sqrt(vhat) * g + gamma / 2 * p) / (1 + zeta * sqrt(lr * scale) * b)
        b = b + gamma * (1 + b)
        u = d
        if momentum > 0:
            m = lerp(m, d, 1 - momentum)
            u = m
        return u, m, v, b
