"""AdEMAMix: Adam with a second, very long momentum."""

from thalweg.elementwise import exp, lerp, log, minimum, sqrt
from thalweg.rule import Rule, setting, state
from thalweg.rules.adam import moments


def between(one, other, x):
    """The decay whose half-life lies the share x of the way from one's to the other's."""
    return exp(log(other) / ((1 - x) * log(other) / log(one) + x))


class AdEMAMix(Rule):
    """AdEMAMix: Adam with a mix of two momenta.

    Old gradients stay useful for tens of thousands of steps: a slow momentum remembers them, the
    fast one keeps the step from being late. For long runs, language models above all, at AdamW's
    lr. Set t_alpha and t_beta3 to the number of steps: without a warm-up it may diverge early.

        p    <- p - lr weight_decay p
        m    <- b1 m + (1 - b1) g
        slow <- b3_t slow + (1 - b3_t) g
        v    <- b2 v + (1 - b2) g^2
        p    <- p - lr (m / (1 - b1^t) + alpha_t slow) / (sqrt(v / (1 - b2^t)) + eps)
        alpha_t = alpha min(t / t_alpha, 1)
        b3_t    = exp(ln b1 ln b3 / ((1 - x) ln b3 + x ln b1)),     x = t / t_beta3, up to b3

    Paper: Pagliardini et al. 2024, arXiv:2409.03137, Algorithm 1.
    Differs: not in torch. slow is not bias-corrected, as in the paper; t_alpha or t_beta3 = 0 is no
    warm-up, and weight_decay is 0 unless it is given.
    """

    signature = "lr, betas, alpha, t_alpha, t_beta3, eps, weight_decay"
    decay = "decoupled"

    lr: float = setting(1e-3, low=0)
    betas: tuple[float, float, float] = setting((0.9, 0.999, 0.9999), low=0, below=1)
    alpha: float = setting(5.0, low=0)
    t_alpha: int = setting(0, low=0)
    t_beta3: int = setting(0, low=0)
    eps: float = setting(1e-8, low=0)

    m = state("exp_avg")
    slow = state("exp_avg_slow")
    v = state("exp_avg_sq")

    @staticmethod
    def update(g, m, slow, v, t, lr, betas, alpha, t_alpha, t_beta3, eps):
        b1, b2, b3 = betas
        share = t / t_alpha if t < t_alpha else 1.0
        if t < t_beta3 and b1 < b3:
            b3 = minimum(b3, between(b1, b3, t / t_beta3))
        m, v = moments(g, m, v, b1, b2)
        slow = lerp(slow, g, 1 - b3)
        d = 1 / (1 - b1**t) * m + share * alpha * slow
        u = lr * d / (sqrt(v) / sqrt(1 - b2**t) + eps)
        return u, m, slow, v
