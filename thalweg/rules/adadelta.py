"""Adadelta: steps in the parameter's own units, without a learning rate to tune."""

from thalweg.elementwise import sqrt
from thalweg.rule import Rule, setting, state


class Adadelta(Rule):
    """Adadelta: adaptive steps in the parameter's own units.

    The root of the mean of past squared steps over that of past squared gradients:
    the ratio has the unit of the parameter, so lr is 1 and needs no tuning. Slow to
    start, since the first steps are of the size of eps.

        v     <- rho v + (1 - rho) g^2
        d      = g sqrt(moved + eps) / sqrt(v + eps)
        moved <- rho moved + (1 - rho) d^2
        p     <- p - lr d

    Paper: Zeiler 2012, arXiv:1212.5701, Algorithm 1.
    Differs: as torch, the step is scaled by lr (the paper has none).
    """

    signature = "lr, rho, eps, weight_decay"
    decay = "coupled"
    torch_flags = "foreach"

    lr: float = setting(1.0, low=0)
    rho: float = setting(0.9, low=0, high=1)
    eps: float = setting(1e-6, low=0)
    counts_steps = True

    v = state("square_avg")
    moved = state("acc_delta")

    @staticmethod
    def update(g, v, moved, lr, rho, eps):
        v = rho * v + (1 - rho) * g * g
        d = sqrt(moved + eps) / sqrt(v + eps) * g
        moved = rho * moved + (1 - rho) * d * d
        u = lr * d
        return u, v, moved
