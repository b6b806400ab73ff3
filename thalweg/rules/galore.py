"""GaLore: Adam on a gradient of low rank."""

from thalweg.elementwise import lerp, sqrt
from thalweg.matrices import laid, leading, tall
from thalweg.rule import Rule, setting, state


class GaLore(Rule):
    """GaLore: Adam on a gradient of low rank.

    The gradient of a matrix is projected upon its `rank` strongest directions, found anew every
    update_proj_gap steps, and Adam runs there: its two moments are of rank columns in place of
    all, where memory is what is short. All weights move, as adapters do not let them.

        x  = g, or g' where g has more columns than rows
        Q  = x's right singular vectors of the largest values, every update_proj_gap steps
        y  = x Q
        m <- b1 m + (1 - b1) y
        v <- b2 v + (1 - b2) y^2
        p <- p - lr scale mhat / (sqrt(vhat) + eps) Q'       mhat = m / (1 - b1^t)
                                                             vhat = v / (1 - b2^t)

    Paper: Zhao et al. 2024, arXiv:2403.03507, Algorithm 2.
    Differs: not in torch. As the authors' code, m and v stay as they are where the basis changes;
    a vector that a decomposition may turn about is turned so that the sum of its cubes is positive.
    Decay and the correction of v are where AdamW has them; their decay comes behind the step, and
    eps is added to the root of v as it is.
    """

    signature = "lr, betas, eps, rank, update_proj_gap, scale"

    lr: float = setting(1e-2, low=0)
    betas: tuple[float, float] = setting((0.9, 0.999), low=0, below=1)
    eps: float = setting(1e-6, low=0)
    rank: int = setting(128, low=1)
    update_proj_gap: int = setting(200, low=1)
    scale: float = setting(0.25, low=0)

    m = state("exp_avg", per=("longer", "rank"))
    v = state("exp_avg_sq", per=("longer", "rank"))
    Q = state("projection", per=("shorter", "rank"))

    @staticmethod
    def takes(ndim):
        return ndim == 2

    @staticmethod
    def update(g, m, v, Q, t, rows, columns, lr, betas, eps, rank, update_proj_gap, scale):
        b1, b2 = betas
        x = tall(g)
        if (t - 1) % update_proj_gap == 0:
            Q = leading(x.mT, rank)
        y = x @ Q
        m = lerp(m, y, 1 - b1)
        v = b2 * v + (1 - b2) * y * y
        d = m / (sqrt(v) / sqrt(1 - b2**t) + eps)
        u = lr * scale / (1 - b1**t) * laid(d @ Q.mT, rows, columns)
        return u, m, v, Q
