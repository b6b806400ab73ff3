"""MuSGD: Muon and SGD, added."""

from thalweg.elementwise import maximum, sqrt
from thalweg.matrices import newton_schulz
from thalweg.rule import Rule, setting, state
from thalweg.rules.muon import momentum_of


class MuSGD(Rule):
    """MuSGD: Muon and SGD, added.

    A step of SGD with momentum, and on top of it a small one of Muon's, by the same lr: what
    detectors were tuned for stays, and rare directions are learned too. The optimizer of
    Ultralytics' YOLO26, for convolutions and matrices.

        m <- m + (1 - momentum) (g - m)
        d  = m + (1 - momentum) (g - m)         with nesterov, else m
        x  = d, orthogonalized as by Muon, rows by all the rest
        p <- p - lr muon s x                    s = sqrt(max(1, rows / columns)) of a matrix, else 1
        h  = g + weight_decay p
        b <- momentum b + h
        p <- p - lr sgd (h + momentum b)        with nesterov, else lr sgd b

    Paper: Ultralytics 2026, https://github.com/ultralytics/ultralytics, optim/muon.py.
    Differs: not in torch. The defaults are those of Ultralytics' trainer, muon=0.2 and sgd=1; its
    class has 0.5 and 0.5, and no momentum.
    """

    signature = "lr, momentum, weight_decay, nesterov, muon, sgd"
    spares = ("weight_decay",)

    lr: float = setting(1e-2, low=0)
    momentum: float = setting(0.9, low=0)
    weight_decay: float = setting(0.0, low=0)
    nesterov: bool = True
    muon: float = setting(0.2, low=0)
    sgd: float = setting(1.0, low=0)

    m = state("momentum_buffer")
    b = state("momentum_buffer_SGD")

    @staticmethod
    def takes(ndim):
        return ndim > 1

    @staticmethod
    def update(p, g, m, b, ndim, rows, columns, lr, momentum, weight_decay, nesterov, muon, sgd):
        d, m = momentum_of(g, m, momentum, nesterov)
        x = newton_schulz(d, (3.4445, -4.775, 2.0315), 5, 1e-7)
        s = sqrt(maximum(1.0, rows / maximum(columns, 1))) if ndim == 2 else 1.0
        w = lr * muon * s * x
        h = g + weight_decay * (p - w)
        b = momentum * b + h
        u = w + lr * sgd * (h + momentum * b if nesterov else b)
        return u, m, b
