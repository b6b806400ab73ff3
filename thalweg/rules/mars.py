"""MARS: AdamW on gradients whose variance is reduced."""

from thalweg.elementwise import maximum, sqrt
from thalweg.reductions import norm
from thalweg.rule import Rule, setting, state
from thalweg.rules.adam import moments


class MARS(Rule):
    """MARS-AdamW: AdamW on gradients whose variance is reduced.

    How the gradient has changed since the last step is added to it, scaled and clipped: momentum
    then lags less behind, and what comes and goes with the batches is averaged away. Reported to
    beat AdamW in pretraining of language models. Matrices have it; others get AdamW.

        c    <- g + gamma b1 / (1 - b1) (g - last)              last is the gradient before
        c    <- c / max(1, |c|)                                 |c| of the tensor
        m    <- b1 m + (1 - b1) c
        v    <- b2 v + (1 - b2) c^2
        vmax <- max(vmax, v)                                    with amsgrad
        p    <- p - lr (mhat / (sqrt(vhat) + eps) + weight_decay p)
        with c = g, betas_1d, weight_decay_1d and lr_1d lr in place of theirs, of what is no matrix
        mhat  = m / (1 - b1^t),  vhat = v / (1 - b2^t), or vmax's

    Paper: Yuan et al. 2024, arXiv:2411.10438, Algorithm 2 (MARS-AdamW, approximate).
    Differs: not in torch. As the authors' code, the first `last` is zero, and a matrix has two
    axes, unless optimize_1d; their lr_1d is a rate and not a share of lr.
    """

    signature = (
        "lr, betas, eps, weight_decay, amsgrad, gamma, optimize_1d, lr_1d, betas_1d, "
        "weight_decay_1d"
    )

    lr: float = setting(3e-3, low=0)
    betas: tuple[float, float] = setting((0.95, 0.99), low=0, below=1)
    eps: float = setting(1e-8, low=0)
    weight_decay: float = setting(0.0, low=0)
    amsgrad: bool = False
    gamma: float = setting(0.025, low=0)
    optimize_1d: bool = False
    lr_1d: float = setting(1.0, low=0)
    betas_1d: tuple[float, float] = setting((0.9, 0.95), low=0, below=1)
    weight_decay_1d: float = setting(0.1, low=0)
    spares = ("weight_decay", "weight_decay_1d")

    m = state("exp_avg")
    v = state("exp_avg_sq")
    vmax = state("max_exp_avg_sq")
    last = state("last_grad")

    @staticmethod
    def update(
        p,
        g,
        m,
        v,
        vmax,
        last,
        t,
        ndim,
        lr,
        betas,
        eps,
        weight_decay,
        amsgrad,
        gamma,
        optimize_1d,
        lr_1d,
        betas_1d,
        weight_decay_1d,
    ):
        b1, b2 = betas
        rate, decay, c = lr, weight_decay, g
        if ndim == 2 or optimize_1d:
            c = g + gamma * b1 / (1 - b1) * (g - last)
            c = c / maximum(1.0, norm(c))
            last = g
        else:
            b1, b2 = betas_1d
            rate, decay = lr * lr_1d, weight_decay_1d
        m, v = moments(c, m, v, b1, b2)
        second = v
        if amsgrad:
            vmax = maximum(vmax, v)
            second = vmax
        u = rate * (m / (1 - b1**t) / (sqrt(second) / sqrt(1 - b2**t) + eps) + decay * p)
        return u, m, v, vmax, last
