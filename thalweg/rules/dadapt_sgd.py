"""D-Adapt SGD: momentum that finds its own learning rate."""

from thalweg.elementwise import maximum, minimum
from thalweg.reductions import norm, sum
from thalweg.rule import Rule, setting, state


class DAdaptSGD(Rule):
    """D-Adapt SGD: SGD with a rate from a lower bound of the distance to the solution.

    The bound d grows from almost nothing to what the gradients allow, over all parameters
    together, measured in lengths of the first gradient; lr stays 1, and takes a schedule. For
    networks with norms; without them d may grow too far, which a smaller lr or growth_rate ends.

        rate  = d lr / g0                       g0 = |g| at the first step, over all tensors
        r    <- r + rate <g, s>
        s    <- s + rate g
        d    <- max(d, min(2 r / |s|, growth_rate d))
        p    <- momentum p + (1 - momentum) (p0 - s)       p0 is where p was at the start

    Paper: Defazio and Mishchenko 2023, arXiv:2301.07733, Algorithm 4.
    Differs: not in torch. As the authors' dadaptation; with weight_decay, g0 is of the decayed
    gradient too, which their code leaves out. Groups have one lr or 0.
    """

    signature = "lr, momentum, weight_decay, d0, growth_rate"
    decay = "coupled"

    lr: float = setting(1.0, low=0)
    momentum: float = setting(0.0, low=0, below=1)
    d0: float = setting(1e-6, above=0)
    growth_rate: float = setting(float("inf"), low=1)
    alike = ("lr",)

    s = state("s")
    p0 = state("x0", start="p")
    d = state("d", start="d0", per="all")
    r = state("numerator_weighted", per="all")
    g0 = state("g0_norm", per="all")

    @staticmethod
    def update(p, g, s, p0, d, r, g0, lr, momentum, d0, growth_rate):
        if g0 == 0:
            g0 = norm(g, "all")
        rate = d * lr / g0 if g0 > 0 else 0.0
        r = r + rate * sum(g * s, "all")
        s = s + rate * g
        length = norm(s, "all")
        d = maximum(d, minimum(2 * r / length, growth_rate * d)) if length > 0 else d
        u = (1 - momentum) * (p - p0 + s)
        return u, s, d, r, g0
