"""SGD, with momentum and Nesterov's variant of it."""

from thalweg.rule import Rule, setting, state


class SGD(Rule):
    """Stochastic gradient descent, with momentum.

    Downhill along the gradient, or along a running sum of gradients (momentum),
    which crosses flat valleys faster and averages noise. With a tuned schedule
    still hard to beat on convolutional networks; the least memory of all.

        b <- momentum b + (1 - dampening) g      the first time: b <- g
        d  = g + momentum b                      with nesterov; otherwise d = b
        p <- p - lr d

    Paper: Sutskever et al. 2013, "On the importance of initialization and momentum".
    Differs: as torch, b sums gradients, and lr is applied to the sum (in the paper lr
    is inside it); the first b is g itself, not (1 - dampening) g.
    """

    signature = "lr, momentum, dampening, weight_decay, nesterov"
    decay = "coupled"

    lr: float = setting(1e-3, low=0)
    momentum: float = setting(0.0, low=0)
    dampening: float = setting(0.0)
    nesterov: bool = False
    takes_sparse = True

    b = state("momentum_buffer")

    @staticmethod
    def rests(h):
        return h.momentum == 0

    @staticmethod
    def check(h):
        if h.nesterov and (h.momentum <= 0 or h.dampening != 0):
            raise ValueError("nesterov requires a momentum > 0 and a dampening of 0")

    @staticmethod
    def update(g, b, first, lr, momentum, dampening, nesterov):
        d = g
        if momentum != 0:
            b = g if first else momentum * b + (1 - dampening) * g
            d = g + momentum * b if nesterov else b
        u = lr * d
        return u, b
