"""Lion: the sign of an interpolated momentum."""

from thalweg.elementwise import lerp, sign
from thalweg.rule import Rule, setting, state


class Lion(Rule):
    """Lion: evolved sign momentum.

    Every coordinate moves by lr, in the direction of a short mean of its gradients; one
    state where Adam has two. Found by a search over programs, strong on large batches.
    Wants an lr 3 to 10 times below AdamW's, and a decay larger by the same factor.

        p <- p - lr weight_decay p
        p <- p - lr sign(b1 m + (1 - b1) g)
        m <- b2 m + (1 - b2) g

    Paper: Chen et al. 2023, arXiv:2302.06675, Algorithm 2.
    Differs: not in torch. As the authors' code, a coordinate whose momentum is exactly zero
    stays where it is; weight_decay is 0 unless it is given.
    """

    signature = "lr, betas, weight_decay"
    decay = "decoupled"

    lr: float = setting(1e-4, low=0)
    betas: tuple[float, float] = setting((0.9, 0.99), low=0, below=1)

    m = state("exp_avg")

    @staticmethod
    def update(g, m, lr, betas):
        b1, b2 = betas
        u = lr * sign(b1 * m + (1 - b1) * g)
        m = lerp(m, g, 1 - b2)
        return u, m
