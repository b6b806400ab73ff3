"""SparseAdam: Adam on the rows that have a gradient."""

from thalweg.elementwise import sqrt
from thalweg.rule import Rule, setting, state
from thalweg.rules.adam import moments


class SparseAdam(Rule):
    """SparseAdam: Adam that leaves rows without a gradient alone.

    For large embeddings with `sparse=True`: a step touches the rows of the batch and
    nothing else, so it costs what the batch costs, not what the table does. Moments
    of untouched rows do not decay.

        m <- b1 m + (1 - b1) g                              in the rows of g only
        v <- b2 v + (1 - b2) g^2
        p <- p - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps)

    Paper: Kingma and Ba 2015, arXiv:1412.6980, section 2, last paragraph.
    Differs: as torch, t counts steps and not a row's own, and eps is added before the bias
    correction. Dense gradients, which torch refuses, move every row; complex parameters,
    which it refuses too, are taken as pairs of real numbers.
    """

    signature = "lr, betas, eps"
    torch_flags = "maximize"

    lr: float = setting(1e-3, above=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-8, above=0)
    counts_in_int = True
    takes_sparse = True
    rows_only = True

    m = state("exp_avg")
    v = state("exp_avg_sq")

    @staticmethod
    def rests(h):
        return True

    @staticmethod
    def update(g, m, v, t, lr, betas, eps):
        b1, b2 = betas
        m, v = moments(g, m, v, b1, b2)
        u = lr * sqrt(1 - b2**t) / (1 - b1**t) * m / (sqrt(v) + eps)
        return u, m, v
