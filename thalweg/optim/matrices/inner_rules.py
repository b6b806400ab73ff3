"""Rules for what optimizers that are more than a rule do element by element."""

# In `update` a value is a float, an array or a tensor alike: no annotation says that.
# mypy: allow-untyped-defs, no-check-untyped-defs, disable-error-code="override"

from thalweg.elementwise import lerp, maximum, minimum, sqrt
from thalweg.rule import Rule, measure, setting, state, switch

__all__ = ["AdafactorStep", "Average", "Descend", "Length", "Momentum", "Squares", "Total"]


class AdafactorStep(Rule):
    """What Adafactor does to a vector, and to a matrix whose factors are known.

    Of a matrix, r c is the root of the mean square: `r` is a row's number, `c` the columns' array.
    """

    lr: float = setting(1e-2, low=0)
    beta2_decay: float = setting(-0.8, high=0)
    eps: tuple[float, float] = setting((0.0, 1e-3), low=0)
    d: float = setting(1.0, low=1)
    weight_decay: float = setting(0.0, low=0)
    factored: bool = False
    r: float = 1.0
    spares = ("weight_decay",)

    v = state("variance", when="whole")
    c = state("c", when="factored")

    @switch
    def whole(h):
        return not h.factored

    @measure("tensor", "mean")
    def p_square(p):
        return p * p

    @measure("tensor", "mean")
    def u_square(g, v, c, r, w, eps1, factored):
        u = g / maximum(r * c if factored else sqrt(lerp(v, g * g, w)), eps1)
        return u * u

    @staticmethod
    def scalars(h, t):
        eps1, eps2 = h.eps
        return dict(
            w=t**h.beta2_decay,
            rho=minimum(h.lr, 1 / sqrt(t)),
            keep=1 - h.lr * h.weight_decay,
            eps1=eps1,
            eps2=eps2,
        )

    @staticmethod
    def update(p, g, v, c, r, w, rho, keep, eps1, eps2, d, factored, p_square, u_square):
        if not factored:
            v = lerp(v, g * g, w)
        u = g / maximum(r * c if factored else sqrt(v), eps1)
        size = sqrt(p_square)
        excess = sqrt(u_square) / d
        alpha = rho * (size if size > eps2 else eps2)  # NaN counts as small, as in torch
        p = keep * p - alpha / (excess if excess > 1 else 1) * u
        return p, v, c


class Length(Rule):
    """The length of g. Of its two passes, only the one that measures is run."""

    @measure("tensor", "norm")
    def length(g):
        return g

    @staticmethod
    def update(p, length):
        p = 0 * p + length
        return p


class Squares(Rule):
    """p <- p + g^2"""

    @staticmethod
    def update(p, g):
        p = p + g * g
        return p


class Total(Rule):
    """p <- p + g"""

    @staticmethod
    def update(p, g):
        p = p + g
        return p


class Average(Rule):
    """p <- p + w (g / n - p), and into s the same before it is rounded to p's type."""

    n: float = 1.0
    w: float = 1.0
    s = state("s")

    @staticmethod
    def update(p, g, s, n, w):
        p = lerp(p, g / n, w)
        s = p
        return p, s


class Momentum(Rule):
    """m <- m + w (g - m), and into u the direction: m, or with Nesterov m + ahead (g - m)."""

    w: float = 0.05
    ahead: float = 0.05
    nesterov: bool = True
    m = state("m")
    u = state("u")

    @staticmethod
    def update(p, g, m, u, w, ahead, nesterov):
        m = lerp(m, g, w)
        u = lerp(m, g, ahead) if nesterov else m
        return p, m, u


class Descend(Rule):
    """p <- keep p - step g"""

    keep: float = 1.0
    step: float = 1.0

    @staticmethod
    def update(p, g, keep, step):
        p = keep * p - step * g
        return p
