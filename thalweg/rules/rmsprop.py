"""RMSprop: the gradient over the root of its recent mean square."""

from thalweg.elementwise import lerp, maximum, sqrt
from thalweg.rule import Rule, setting, state


class RMSprop(Rule):
    """RMSprop: gradients divided by their recent size.

    Adam without its first moment, and its ancestor. Still usual in reinforcement
    learning and recurrent nets. `centered` divides by the deviation instead of the
    size; `momentum` sums the steps up.

        v <- alpha v + (1 - alpha) g^2
        m <- alpha m + (1 - alpha) g                   with centered
        d  = g / (sqrt(max(v - m^2, 0)) + eps)         m = 0 without centered
        b <- momentum b + d;  d = b                    with momentum
        p <- p - lr d

    Paper: Tieleman and Hinton 2012, "Lecture 6.5: rmsprop", Neural Networks for Machine
    Learning; centered: Graves 2013, arXiv:1308.0850, equations 38 to 45.
    Differs: as torch, eps is added after the root (Graves has it inside). Not as torch, whose
    weights become NaN there: where rounding makes v smaller than m^2, it counts as m^2.
    """

    signature = "lr, alpha, eps, weight_decay, momentum, centered"
    decay = "coupled"
    torch_flags = "capturable, foreach, maximize, differentiable"

    lr: float = setting(1e-2, low=0)
    alpha: float = setting(0.99, low=0)
    eps: float = setting(1e-8, low=0)
    momentum: float = setting(0.0, low=0)
    centered: bool = False
    counts_steps = True

    v = state("square_avg")
    b = state("momentum_buffer")
    m = state("grad_avg")

    @staticmethod
    def update(g, v, b, m, lr, alpha, eps, momentum, centered):
        v = alpha * v + (1 - alpha) * g * g
        spread = v
        if centered:
            m = lerp(m, g, 1 - alpha)
            spread = maximum(v - m * m, 0.0)  # of equal gradients rounding may leave less than none
        d = g / (sqrt(spread) + eps)
        if momentum > 0:
            b = momentum * b + d
            d = b
        u = lr * d
        return u, v, b, m
