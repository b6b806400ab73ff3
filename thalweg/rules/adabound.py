"""AdaBound: Adam's rates, held between bounds that close in on one rate for all."""

from thalweg.elementwise import maximum, minimum, sqrt
from thalweg.rule import Rule, setting, state
from thalweg.rules.adam import moments


class AdaBound(Rule):
    """AdaBound: Adam at the start, SGD at the end.

    Each coordinate's rate is clipped to bounds that are wide at first and meet at final_lr: the
    quick start of Adam, the end of SGD. final_lr is the lr that SGD would have; smaller gamma
    takes longer to get there. amsbound is the same around AMSGrad.

        m    <- b1 m + (1 - b1) g
        v    <- b2 v + (1 - b2) g^2
        vmax <- max(vmax, v)                               with amsbound; otherwise vmax = v
        rate  = lr sqrt(1 - b2^t) / (1 - b1^t) / (sqrt(vmax) + eps)
        last  = final_lr lr / base_lr
        p    <- p - clip(rate, last (1 - 1 / (gamma t + 1)), last (1 + 1 / (gamma t))) m

    Paper: Luo et al. 2019, arXiv:1902.09843, Algorithms 2 and 3.
    Differs: not in torch. As the authors' package, bias is corrected, rates do not fall with
    sqrt(t), and a schedule moves final_lr as well: base_lr is the lr it was made with.
    """

    signature = "lr, betas, final_lr, gamma, eps, weight_decay, amsbound, *, decoupled_weight_decay"
    decay = "either"
    starts_at_construction = True

    lr: float = setting(1e-3, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    final_lr: float = setting(0.1, low=0)
    gamma: float = setting(1e-3, above=0)
    eps: float = setting(1e-8, low=0)
    amsbound: bool = False

    base_lr = state("base_lr", start="lr", per="tensor")
    m = state("exp_avg")
    v = state("exp_avg_sq")
    vmax = state("max_exp_avg_sq")

    @staticmethod
    def update(g, m, v, vmax, base_lr, t, lr, betas, final_lr, gamma, eps, amsbound):
        b1, b2 = betas
        m, v = moments(g, m, v, b1, b2)
        second = v
        if amsbound:
            vmax = maximum(vmax, v)
            second = vmax
        base_lr = base_lr if base_lr > 0 else lr  # made with none: the first there is
        last = final_lr * lr / base_lr if base_lr > 0 else 0.0
        low, high = last * (1 - 1 / (gamma * t + 1)), last * (1 + 1 / (gamma * t))
        rate = lr * sqrt(1 - b2**t) / (1 - b1**t) / (sqrt(second) + eps)
        u = minimum(maximum(rate, low), high) * m
        return u, m, v, vmax, base_lr
