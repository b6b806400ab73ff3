"""Signum: the sign of a momentum."""

from thalweg.elementwise import lerp, sign
from thalweg.rule import Rule, setting, state


class Signum(Rule):
    """Signum: signSGD with momentum.

    Every coordinate moves by lr, in the direction of the mean of its gradients. One state; what
    many workers send each other is one bit per weight. With momentum=0 it is signSGD, and keeps
    nothing. Wants Lion's small lr and large decay.

        p <- p - lr weight_decay p
        m <- momentum m + (1 - momentum) g
        p <- p - lr sign(m)                        without momentum: sign(g)

    Paper: Bernstein et al. 2018, arXiv:1802.04434, Algorithm 2.
    Differs: not in torch. A coordinate whose momentum is exactly zero stays where it is;
    weight_decay is 0 unless it is given.
    """

    signature = "lr, momentum, weight_decay"
    decay = "decoupled"

    lr: float = setting(1e-3, low=0)
    momentum: float = setting(0.9, low=0, below=1)

    m = state("momentum_buffer")

    @staticmethod
    def update(g, m, lr, momentum):
        d = g
        if momentum != 0:
            m = lerp(m, g, 1 - momentum)
            d = m
        u = lr * sign(d)
        return u, m
