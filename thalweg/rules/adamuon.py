"""AdaMuon: Adam's second moment of Muon's steps."""

from thalweg.elementwise import lerp, sign, sqrt
from thalweg.matrices import newton_schulz
from thalweg.reductions import norm
from thalweg.rule import Rule, setting, state
from thalweg.rules.muon import momentum_of


class AdaMuon(Rule):
    """AdaMuon: Adam's second moment of Muon's steps.

    The signs of the momentum are orthogonalized, each element is divided by the root of its own
    mean square, and the whole gets the length of AdamW's steps, so that lr is AdamW's. For the
    hidden matrices of a network: `AdaMuon(model, others=AdamW)`.

        p  <- p - lr weight_decay p
        m  <- m + (1 - momentum) (g - m)
        d   = m + (1 - momentum) (g - m)        with nesterov, else m
        x   = sign(d), orthogonalized as by Muon
        v  <- momentum v + (1 - momentum) x^2
        y   = x / (sqrt(v) + eps)
        p  <- p - 0.2 lr sqrt(rows columns) y / (|y| + eps)

    Paper: Si et al. 2025, arXiv:2507.11005, Algorithm 1.
    Differs: not in torch. The momentum is an average, of which the signs are those of the paper's
    sum; nesterov is the authors' code's. eps beside |y| is the code's, too.
    """

    signature = "lr, weight_decay, momentum, nesterov, ns_coefficients, eps, ns_steps, *, flatten"
    decay = "decoupled"

    lr: float = setting(1e-3, low=0)
    momentum: float = setting(0.95, low=0, below=1)
    nesterov: bool = False
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315)
    eps: float = setting(1e-8, low=0)
    ns_steps: int = setting(5, below=100)
    flatten: bool = False

    m = state("momentum_buffer")
    v = state("v_buffer")

    @staticmethod
    def takes(ndim, flatten):
        return ndim == 2 or (ndim > 2 and flatten)

    @staticmethod
    def update(g, m, v, rows, columns, lr, momentum, nesterov, ns_coefficients, eps, ns_steps):
        d, m = momentum_of(g, m, momentum, nesterov)
        x = newton_schulz(sign(d), ns_coefficients, ns_steps, 1e-7)
        v = lerp(v, x * x, 1 - momentum)
        y = x / (sqrt(v) + eps)
        u = 0.2 * lr * sqrt(rows * columns) / (norm(y) + eps) * y
        return u, m, v
