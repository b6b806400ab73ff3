"""Adafactor: Adam's scaling in hardly any memory."""

from thalweg.elementwise import lerp, maximum, minimum, sqrt
from thalweg.reductions import mean
from thalweg.rule import Rule, setting, state


class Adafactor(Rule):
    """Adafactor: Adam's scaling in hardly any memory.

    Of a matrix it keeps the mean square of each row and of each column instead of each
    element, and its step is in proportion to the weights. For models whose moments
    would not fit, and for fine-tuning what was trained with it. A parameter of more than
    two axes is a stack of matrices, of its last two.

        r     <- r + w (mean of g^2 along its row - r),              w = t^beta2_decay
        c     <- c + w (mean of g^2 along its column - c)
        v      = r c / max(mean of r, eps1)                          of a matrix
        v     <- v + w (g^2 - v)                                     of a vector
        u      = g / max(sqrt(v), eps1)
        alpha  = max(eps2, RMS(p)) min(lr, 1 / sqrt(t))
        p     <- p - lr weight_decay p - alpha u / max(1, RMS(u) / d)

    Paper: Shazeer and Stern 2018, arXiv:1804.04235, Algorithms 4 and 5.
    Differs: as torch, eps1 is a lower bound where the paper adds it to g^2, lr stands for the
    paper's 0.01, and the decay is not in the paper. Not as torch, eps1=None is the precision of
    each parameter's own type (torch: of the first one's in the group, for all of them), an eps1
    whose square is too small for its type still counts, and empty parameters are allowed. By
    position the order is torch's; that of transformers is (params, lr, eps, clip_threshold, ...).
    """

    signature = "lr, beta2_decay, eps, d, weight_decay"
    is_stack = True
    spares = ("weight_decay",)

    lr: float = setting(1e-2, low=0)
    beta2_decay: float = setting(-0.8, high=0)
    eps: tuple[float | None, float] = setting((None, 1e-3), low=0)
    d: float = setting(1.0, low=1)
    weight_decay: float = setting(0.0, low=0)

    r = state("row_var", per="row", short=True)
    c = state("col_var", per="column", short=True)
    v = state("variance")

    @staticmethod
    def update(p, g, r, c, v, t, ndim, lr, beta2_decay, eps, d, weight_decay):
        eps1, eps2 = eps
        w = t**beta2_decay
        if ndim > 1:
            r = lerp(r, mean(g * g, "row"), w)
            c = lerp(c, mean(g * g, "column"), w)
            a = sqrt(r / maximum(mean(r, "column"), eps1))
            b = sqrt(c)
            x = g / maximum(a * b, eps1)
        else:
            v = lerp(v, g * g, w)
            x = g / maximum(sqrt(v), eps1)
        size, excess = sqrt(mean(p * p)), sqrt(mean(x * x)) / d
        alpha = minimum(lr, 1 / sqrt(t)) * (size if size > eps2 else eps2)  # NaN is small
        u = alpha / (excess if excess > 1 else 1) * x
        p = (1 - lr * weight_decay) * p
        return p, u, r, c, v
