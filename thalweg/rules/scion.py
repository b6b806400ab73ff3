"""Scion: steps to the boundary of a ball, in the norm that suits each weight."""

from thalweg.elementwise import lerp, maximum, sign, sqrt
from thalweg.matrices import newton_schulz
from thalweg.reductions import mean
from thalweg.rule import Rule, setting, state


class Scion(Rule):
    """Scion: steps to the boundary of a ball, in the norm that suits each weight.

    A matrix takes an orthogonal step, a vector one of root mean square one, and a head or an
    embedding, in a group with `norm="sign"`, one of signs; weights stay within `scale` times such
    a ball. No Adam and one momentum for the whole model, and an lr that holds at every width:

        Scion([{"params": hidden, "scale": 50}, {"params": head, "norm": "sign", "scale": 3000}])

        m <- m + momentum (g - m)
        x  = m, orthogonalized as by Muon, times sqrt(rows / columns)
             m / (sqrt(mean(m^2)) + 1e-8)                             of a vector
             sign(m) / columns                                        with norm="sign"
        p <- (1 - lr) p - lr scale x            unconstrained: p - lr scale x

    Paper: Pethick et al. 2025, arXiv:2502.07529, Algorithm 2; unconstrained: Algorithm 1.
    Differs: not in torch. As in the authors' code momentum is the share of the new gradient, 0.1
    where others say 0.9. Their norms of rows and of columns alone are left out; of a convolution
    they divide by the kernel's width once more; the start that they give weights is not ours to do.
    """

    lr: float = setting(1e-3, low=0)
    momentum: float = setting(0.1, low=0, high=1)
    scale: float = setting(1.0, low=0)
    unconstrained: bool = False
    ball: str = setting("auto", choices=("auto", "sign"))

    m = state("momentum_buffer")

    @staticmethod
    def update(p, g, m, ndim, rows, columns, lr, momentum, scale, unconstrained, ball):
        m = lerp(m, g, momentum)
        if ball == "sign":
            x = sign(m) / columns
        elif ndim > 1:
            d = newton_schulz(m, (3.4445, -4.775, 2.0315), 5, 1e-7)
            x = sqrt(rows / maximum(columns, 1)) * d
        else:
            x = m / (sqrt(mean(m * m)) + 1e-8)
        u = lr * scale * x if unconstrained else lr * scale * x + lr * p
        return u, m
