"""AdamP: Adam whose steps do not make scale-free weights longer."""

from thalweg.chain import chain
from thalweg.rules import Adam
from thalweg.stages import Project

AdamP = chain(
    "AdamP",
    Adam,
    Project,
    signature="lr, betas, eps, weight_decay, delta, wd_ratio, *, norm_eps",
    doc="""AdamP: Adam whose steps do not make scale-free weights longer.

    In front of a norm only the direction of a weight counts; momentum makes it longer and longer,
    and its steps shorter in effect. Where the gradient is at a right angle to the weights, which
    tells that this is so, the part of the step along them is taken out. For networks with norms.

        m <- b1 m + (1 - b1) g
        v <- b2 v + (1 - b2) g^2
        d  = mhat / (sqrt(vhat) + eps),       mhat = m / (1 - b1^t),  vhat = v / (1 - b2^t)
        d <- d - <p, d> / |p|^2 p             where |cos(p, g)| < delta / sqrt(n) in all rows of n
                                              elements, or else in the whole tensor
        p <- p - lr (d + k weight_decay p)    k is wd_ratio where d is projected, otherwise 1

    Paper: Heo et al. 2021, arXiv:2006.08217, Algorithm 2.
    Differs: not in torch. As the authors' adamp, rows are tried before the tensor and vectors
    stay as they are; its nesterov is left out, and its second eps, of lengths, is norm_eps.
    """,
)
