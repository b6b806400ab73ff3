"""ASGD: stochastic gradient descent that keeps the average of its path."""

from thalweg.elementwise import maximum
from thalweg.rule import Rule, setting, state


class ASGD(Rule):
    """Averaged stochastic gradient descent.

    SGD with a slowly falling rate; beside the parameter it keeps the average of all
    values since step t0, which is closer to the minimum than the last value is. The
    average is in the state, under "ax", and what `opt.evaluation()` shows.

        p   <- (1 - lambd eta) p - eta g
        ax  <- ax + mu (p - ax)                 up to step t0, mu = 1: ax <- p
        eta <- lr / (1 + lambd lr t)^alpha      from the next step on; it starts as lr
        mu  <- 1 / max(1, t - t0)               likewise; it starts as 1

    Paper: Polyak and Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging";
    the rate as in Xu 2011, arXiv:1107.2490.
    Differs: as torch, p itself is not replaced by its average, and weight_decay comes on top
    of lambd.
    """

    signature = "lr, lambd, alpha, t0, weight_decay"
    decay = "coupled"
    torch_flags = "foreach, maximize, differentiable, capturable"

    lr: float = setting(1e-2, low=0)
    lambd: float = setting(1e-4)
    alpha: float = setting(0.75)
    t0: float = setting(1e6)

    keeps_singles = True

    eta = state("eta", start="lr", per="tensor")
    mu = state("mu", start=1.0, per="tensor")
    ax = state("ax")

    @staticmethod
    def update(p, g, ax, eta, mu, t, lr, lambd, alpha, t0):
        p = (1 - lambd * eta) * p - eta * g
        ax = ax + mu * (p - ax) if mu != 1 else p
        eta = lr / (1 + lambd * lr * t) ** alpha
        mu = 1 / maximum(1, t - t0)
        return p, ax, eta, mu

    @staticmethod
    def evaluate(ax):
        return ax
