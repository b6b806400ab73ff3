"""SPAM: Adam that cuts spikes of the gradient, and forgets."""

import math

from thalweg.elementwise import sign, sqrt, where
from thalweg.rule import Rule, setting, state
from thalweg.rules.adam import moments

PI = math.pi


def cosine(x):
    """The cosine of pi x, for x from 0 to 1, to the last digit: minus a sine's series."""
    a = PI * (x - 0.5)
    b = a * a
    near = 1 - b / 156 * (1 - b / 210 * (1 - b / 272 * (1 - b / 342 * (1 - b / 420))))
    return -a * (1 - b / 6 * (1 - b / 20 * (1 - b / 42 * (1 - b / 72 * (1 - b / 110 * near)))))


class SPAM(Rule):
    """SPAM: spike-aware Adam with momentum reset.

    A gradient a thousand times as large as before, as language models meet now and then, spoils
    Adam's moments for hundreds of steps. Such coordinates are cut to what their second moment
    allows, and every 500 steps the moments begin anew, with a short warm-up.

        m, v <- 0                                         every reset_every steps
        g    <- sign(g) sqrt(threshold v)                 where g^2 > threshold v, from step
                                                          clip_after on, and after each reset
        m    <- b1 m + (1 - b1) g
        v    <- b2 v + (1 - b2) g^2
        p    <- p - w lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps)
        p    <- p - lr weight_decay p
        w     = 1 - 0.99 (1 + cos(pi k / (warmup_steps + 1))) / 2, k < warmup_steps from a reset

    Paper: Huang et al. 2025, arXiv:2501.06842, Algorithm 1.
    Differs: not in torch. As the authors' code, t is not reset, nor is the bias correction, and
    the decay comes after the step; without their sparse masks. Each parameter counts its steps.
    """

    signature = "lr, betas, eps, weight_decay, threshold, clip_after, reset_every, warmup_steps"

    lr: float = setting(1e-3, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-6, low=0)
    weight_decay: float = setting(0.0, low=0)
    threshold: float = setting(5000.0, above=0)
    clip_after: int = setting(20, low=2)
    reset_every: int = setting(500, low=1)
    warmup_steps: int = setting(150, low=0)
    spares = ("weight_decay",)

    m = state("exp_avg")
    v = state("exp_avg_sq")

    @staticmethod
    def update(
        p,
        g,
        m,
        v,
        t,
        lr,
        betas,
        eps,
        weight_decay,
        threshold,
        clip_after,
        reset_every,
        warmup_steps,
    ):
        b1, b2 = betas
        k = t % reset_every
        w = 1.0
        if t >= reset_every and k < warmup_steps:
            w = 1 - 0.99 * (1 + cosine(k / (warmup_steps + 1))) / 2
        if k == 0:
            m, v = 0.0, 0.0
        elif k >= clip_after:
            g = where(g * g > threshold * v, sign(g) * sqrt(threshold * v), g)
        m, v = moments(g, m, v, b1, b2)
        x = w * lr * sqrt(1 - b2**t) / (1 - b1**t) * m / (sqrt(v) + eps)
        u = x
        if weight_decay != 0:  # 0 times an infinite weight would be NaN
            u = x + lr * weight_decay * (p - x)
        return u, m, v
