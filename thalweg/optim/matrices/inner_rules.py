"""Rules for what optimizers that are more than a rule do element by element."""

# In `update` a value is a float, an array or a tensor alike: no annotation says that.
# mypy: allow-untyped-defs, no-check-untyped-defs, disable-error-code="override"

from types import SimpleNamespace
from typing import Any

from thalweg.elementwise import lerp, maximum, minimum, sqrt
from thalweg.reductions import mean, norm
from thalweg.rule import Rule, setting, state

__all__ = [
    "AdafactorStep",
    "Average",
    "Length",
    "Squares",
    "Total",
    "numbers_of",
    "share",
]


def share(t: Any, beta2_decay: Any) -> Any:
    """How much of step t goes into the means of squares."""
    return t**beta2_decay


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

    v = state("variance")
    c = state("c")

    @staticmethod
    def update(p, g, v, c, t, lr, beta2_decay, eps, d, weight_decay, factored, r):
        eps1, eps2 = eps
        if factored:
            u = g / maximum(r * c, eps1)
        else:
            v = lerp(v, g * g, share(t, beta2_decay))
            u = g / maximum(sqrt(v), eps1)
        size = sqrt(mean(p * p))
        excess = sqrt(mean(u * u)) / d
        alpha = minimum(lr, 1 / sqrt(t)) * (size if size > eps2 else eps2)  # NaN is small, as torch
        p = (1 - lr * weight_decay) * p - alpha / (excess if excess > 1 else 1) * u
        return p, v, c


class Length(Rule):
    """The length of g. Of its two passes, only the one that measures is run."""

    @staticmethod
    def update(p, g):
        p = 0 * p + norm(g)
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


def numbers_of(rule: Any, **settings: Any) -> tuple[tuple[bool | None, ...], dict[str, Any]]:
    """The ways and the numbers, by the rule's own names, of one of these rules that keeps none;
    of settings that are arrays, the numbers are arrays."""
    ways, numbers, _ = rule.decide(SimpleNamespace(**settings), 1, False, (), ())
    return ways, dict(zip(rule.text.number_names, numbers, strict=True))
