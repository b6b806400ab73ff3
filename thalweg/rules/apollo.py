"""APOLLO: SGD whose rows are scaled as Adam would, judged on a random sketch."""

from thalweg.elementwise import lerp, maximum, sqrt
from thalweg.matrices import first_columns, laid, row_lengths, tall
from thalweg.reductions import norm
from thalweg.requests import noise
from thalweg.rule import Rule, setting, state


class APOLLO(Rule):
    """APOLLO: SGD whose rows are scaled as Adam would, judged on a random sketch.

    Adam runs on a random projection of the gradient, of `rank` columns, and says only how long
    the step of each row is; the step itself is the gradient's. Memory as of SGD, quality as of
    AdamW in large models. APOLLO-Mini: rank=1, scale=128, scale_type="tensor".

        x  = g, or g' where g has more columns than rows
        y  = x Q                 Q of normal random numbers / sqrt(rank), new every
                                 update_proj_gap steps
        m <- b1 m + (1 - b1) y
        v <- b2 v + (1 - b2) y^2
        s  = |m / (sqrt(v) + eps)| / (|y| + 1e-8)            of each row of x, or of the whole
        d  = s x / max(1, |s x| / (1.01 n)),  n <- |d|       not in the first step
        p <- p - lr sqrt(scale) sqrt(1 - b2^t) / (1 - b1^t) d

    Paper: Zhu et al. 2024, arXiv:2412.05270, Algorithm 1.
    Differs: not in torch. The decay comes before the step, as AdamW's; the authors' behind it.
    """

    signature = "lr, betas, eps, rank, update_proj_gap, scale, scale_type, seed"

    lr: float = setting(1e-2, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-6, low=0)
    rank: int = setting(128, low=1)
    update_proj_gap: int = setting(200, low=1)
    scale: float = setting(1.0, low=0)
    scale_type: str = setting("channel", choices=("channel", "tensor"))
    seed: int = setting(0, low=0)

    m = state("exp_avg", per=("longer", "rank"))
    v = state("exp_avg_sq", per=("longer", "rank"))
    Q = state("projection", per=("shorter", "rank"))
    n = state("scaled_grad", per="tensor")

    @staticmethod
    def takes(ndim):
        return ndim == 2

    @staticmethod
    def update(
        g,
        m,
        v,
        Q,
        n,
        t,
        rows,
        columns,
        lr,
        betas,
        eps,
        rank,
        update_proj_gap,
        scale,
        scale_type,
        seed,
    ):
        b1, b2 = betas
        x = tall(g)
        if (t - 1) % update_proj_gap == 0:
            z = noise(seed, t)
            Q = first_columns(tall(z).mT, rank) / rank**0.5
        y = x @ Q
        m = lerp(m, y, 1 - b1)
        v = b2 * v + (1 - b2) * y * y
        wanted, given = row_lengths(m / (sqrt(v) + eps)), row_lengths(y)
        if scale_type == "channel":
            d = laid(wanted / (given + 1e-8) * x, rows, columns)
        else:
            d = laid(row_lengths(wanted.mT) / (row_lengths(given.mT) + 1e-8) * x, rows, columns)
        length = norm(d)
        limit = maximum(length / (n + 1e-8), 1.01) / 1.01 if t > 1 else 1.0
        n = length / limit
        u = lr * scale**0.5 * sqrt(1 - b2**t) / (1 - b1**t) / limit * d
        return u, m, v, Q, n
