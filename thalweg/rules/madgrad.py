"""MADGRAD: dual averaging with cube roots."""

from thalweg.elementwise import cbrt, lerp, sqrt
from thalweg.rule import Rule, setting, state


class MADGRAD(Rule):
    """MADGRAD: momentumized, adaptive dual averaging.

    Always starts again from the first weights, and goes from there by the weighted sum of all
    gradients over the cube root of the sum of their squares. Rivals SGD on images and Adam on
    text; wants less weight decay than either, often none, and a tuned lr.

        weight = (lr + eps) sqrt(t)
        s     <- s + weight g
        v     <- v + weight g^2
        p     <- momentum p + (1 - momentum) (x0 - s / (cbrt(v) + eps))     x0: p at first

    Paper: Defazio and Jelassi 2022, arXiv:2101.11075, Algorithm 1.
    Differs: not in torch. As the authors' code, eps is added to lr unless that is 0, and to the
    root, and x0 is kept with momentum only. Decoupled decay is not in the paper.
    """

    signature = "lr, momentum, weight_decay, eps, *, decoupled_weight_decay"
    decay = "either"

    lr: float = setting(1e-2, low=0)
    momentum: float = setting(0.9, low=0, below=1)
    eps: float = setting(1e-6, low=0)

    v = state("grad_sum_sq")
    s = state("s")
    x0 = state("x0", start="p")

    @staticmethod
    def update(p, g, v, s, x0, t, lr, momentum, eps):
        # without momentum p is where the last step led to, and x0 need not be kept
        start = x0 if momentum != 0 else p + s / (cbrt(v) + eps)
        weight = (lr + eps if lr != 0 else 0.0) * sqrt(t)
        v = v + weight * g * g
        s = s + weight * g
        p = lerp(p, start - s / (cbrt(v) + eps), 1 - momentum)
        return p, v, s
