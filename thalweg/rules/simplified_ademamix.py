"""Simplified AdEMAMix: one long momentum beside the gradient of now."""

from thalweg.elementwise import sqrt
from thalweg.rule import Rule, setting, state
from thalweg.rules.ademamix import between


class SimplifiedAdEMAMix(Rule):
    """Simplified AdEMAMix: a sum of gradients, and more weight on the newest.

    AdEMAMix with one momentum in place of two, so with Adam's memory. The momentum is a sum, 1 /
    (1 - b1) times as long as Adam's: lr must be smaller by as much. alpha weighs the gradient of
    now; for small batches 0, for large ones up to 100. beta1_warmup is a number of steps.

        p <- p - lr weight_decay p
        m <- b1_t m + g
        v <- b2 v + (1 - b2) g^2
        p <- p - lr (m + alpha g) / (sqrt(v / (1 - b2^t)) + eps)
        b1_t goes from min_beta1 to b1 in beta1_warmup steps, evenly in its half-life

    Paper: Morwani et al. 2025, arXiv:2502.02431, Algorithm 1.
    Differs: not in torch. m is a sum, as in the paper and the authors' code, and has no bias to
    correct; without beta1_warmup b1_t is b1.
    """

    signature = "lr, betas, alpha, eps, weight_decay, *, beta1_warmup, min_beta1"
    decay = "decoupled"

    lr: float = setting(1e-4, low=0)
    betas: tuple[float, float] = setting((0.99, 0.95), low=0, below=1)
    alpha: float = setting(0.0, low=0)
    eps: float = setting(1e-8, low=0)
    beta1_warmup: int = setting(0, low=0)
    min_beta1: float = setting(0.9, low=0, below=1)

    m = state("exp_avg")
    v = state("exp_avg_sq")

    @staticmethod
    def update(g, m, v, t, lr, betas, alpha, eps, beta1_warmup, min_beta1):
        b1, b2 = betas
        if t < beta1_warmup and min_beta1 < b1:
            b1 = between(min_beta1, b1, t / beta1_warmup)
        m = b1 * m + g
        v = b2 * v + (1 - b2) * g * g
        u = lr * (m + alpha * g) / (sqrt(v) / sqrt(1 - b2**t) + eps)
        return u, m, v
