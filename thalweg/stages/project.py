"""Steps without the part that makes scale-free weights longer."""

from thalweg.elementwise import abs, maximum, sqrt
from thalweg.reductions import largest, norm, sum
from thalweg.rule import Stage, setting


class Project(Stage):
    """The projection of AdamP and SGDP.

    In front of a norm only the direction of a weight counts; momentum makes it longer and longer,
    and its steps shorter in effect. Where the gradient tells that this is so, it is at a right
    angle to the weights, the part of the step along them is taken out. Put it behind the rule.

        u <- u - <p, u> / |p|^2 p         where |cos(p, g)| < delta / sqrt(n) in all rows of n
                                          elements, or else in the whole tensor; not of vectors
        u <- u + lr k weight_decay p      k is wd_ratio where u is projected, otherwise 1

    Paper: Heo et al. 2021, arXiv:2006.08217, Algorithms 1 and 2.
    Differs: as the authors' adamp, rows are tried before the tensor, and norm_eps is added to
    |p| and is the least that the cosine is divided by.
    """

    weight_decay: float = setting(0.0, low=0)
    delta: float = setting(0.1, low=0)
    wd_ratio: float = setting(0.1, low=0)
    norm_eps: float = setting(1e-8, above=0)
    spares = ("weight_decay",)

    @staticmethod
    def update(p, g, u, ndim, rows, columns, lr, weight_decay, delta, wd_ratio, norm_eps):
        k = 1.0
        if ndim > 1:
            size, length = norm(p, "row"), norm(p)
            along = abs(sum(p * g, "row"))
            along = along / (maximum(size, norm_eps) * maximum(norm(g, "row"), norm_eps))
            whole = abs(sum(p * g)) / (maximum(length, norm_eps) * maximum(norm(g), norm_eps))
            by_row = sum(p * u, "row") / ((size + norm_eps) * (size + norm_eps))
            by_all = sum(p * u) / ((length + norm_eps) * (length + norm_eps))
            if largest(along) * sqrt(columns) < delta:
                k = wd_ratio
                u = u - by_row * p
            elif whole * sqrt(rows * columns) < delta:
                k = wd_ratio
                u = u - by_all * p
        if weight_decay != 0:
            u = u + lr * weight_decay * k * p
        return u
