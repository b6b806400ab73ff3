"""SGD, with momentum and Nesterov's variant of it."""

from thalweg.rule import Rule, setting, state, switch


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

    @switch
    def heavy(h):
        return h.momentum != 0

    b = state("momentum_buffer", when="heavy")

    @staticmethod
    def rests(h):
        return h.momentum == 0

    @staticmethod
    def check(h):
        if h.nesterov and (h.momentum <= 0 or h.dampening != 0):
            raise ValueError("nesterov requires a momentum > 0 and a dampening of 0")

    @staticmethod
    def scalars(h, first):
        # b starts at zero, so keep = 0 and take = 1 make the first b the gradient itself
        keep, take = (0.0, 1.0) if first else (h.momentum, 1 - h.dampening)
        return dict(keep=keep, take=take)

    @staticmethod
    def update(p, g, b, lr, momentum, keep, take, heavy, nesterov):
        d = g
        if heavy:
            b = keep * b + take * g
            d = b
            if nesterov:
                d = g + momentum * b
        p = p - lr * d
        return p, b
