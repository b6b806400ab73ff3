"""CAME: Adafactor with a measure of how far its steps can be trusted."""

from thalweg.elementwise import lerp, maximum, sqrt
from thalweg.reductions import mean
from thalweg.rule import Rule, setting, state


class CAME(Rule):
    """CAME: Adafactor with a measure of how far its steps can be trusted.

    The second moment of a matrix is kept as a mean per row and per column; where steps stray
    from their own mean they are shortened, by a measure that is kept in the same way. Adam's
    quality at little more than the memory of a momentum. More axes than two are stacked matrices.

        p    <- p - lr weight_decay p
        r, c <- means of g^2 + eps1 over a row and a column, by b2
        x     = g / sqrt(r c / mean(r)),  x <- x / max(1, rms(x) / clip_threshold)
        m    <- b1 m + (1 - b1) x
        R, C <- means of (x - m)^2 + eps2 over a row and a column, by b3
        p    <- p - lr m / sqrt(R C / mean(R))
        v    <- b2 v + (1 - b2) (g^2 + eps1)        of a vector, in place of r and c:
                                                    x = g / sqrt(v),  p <- p - lr m

    Paper: Luo et al. 2023, arXiv:2307.02047, Algorithm 2.
    Differs: not in torch.
    """

    signature = "lr, eps, clip_threshold, betas, weight_decay"
    decay = "decoupled"
    is_stack = True

    lr: float = setting(2e-4, low=0)
    eps: tuple[float, float] = setting((1e-30, 1e-16), low=0)
    clip_threshold: float = setting(1.0, above=0)
    betas: tuple[float, float, float] = setting((0.9, 0.999, 0.9999), low=0, below=1)

    m = state("exp_avg")
    v = state("exp_avg_sq")
    r = state("exp_avg_sq_row", per="row")
    c = state("exp_avg_sq_col", per="column")
    R = state("exp_avg_res_row", per="row")
    C = state("exp_avg_res_col", per="column")

    @staticmethod
    def update(g, m, v, r, c, R, C, ndim, lr, eps, clip_threshold, betas):
        b1, b2, b3 = betas
        eps1, eps2 = eps
        s = g * g + eps1
        if ndim > 1:
            r = lerp(r, mean(s, "row"), 1 - b2)
            c = lerp(c, mean(s, "column"), 1 - b2)
            a, b = sqrt(r / mean(r, "column")), sqrt(c)  # r c may be less than any number
            x = g / (a * b)
        else:
            v = lerp(v, s, 1 - b2)
            x = g / sqrt(v)
        x = x / maximum(1.0, sqrt(mean(x * x)) / clip_threshold)
        m = lerp(m, x, 1 - b1)
        if ndim > 1:
            i = (x - m) * (x - m) + eps2
            R = lerp(R, mean(i, "row"), 1 - b3)
            C = lerp(C, mean(i, "column"), 1 - b3)
            A, B = sqrt(R / mean(R, "column")), sqrt(C)
            u = lr * m / (A * B)
        else:
            u = lr * m
        return u, m, v, r, c, R, C
