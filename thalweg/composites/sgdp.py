"""SGDP: momentum whose steps do not make scale-free weights longer."""

from thalweg.chain import chain
from thalweg.rules import SGD
from thalweg.stages import Project

SGDP = chain(
    "SGDP",
    SGD,
    Project,
    signature="lr, momentum, dampening, weight_decay, nesterov, delta, wd_ratio, *, norm_eps",
    doc="""SGDP: momentum whose steps do not make scale-free weights longer.

    AdamP's projection on the steps of SGD: where a gradient is at a right angle to its weights, as
    in front of a norm, the part of the step along them is taken out. For convolutional networks
    with batch norms, at SGD's settings.

        b <- momentum b + (1 - dampening) g   the first time: b <- g
        d  = g + momentum b                   with nesterov; otherwise d = b
        d <- d - <p, d> / |p|^2 p             where |cos(p, g)| < delta / sqrt(n) in all rows of n
                                              elements, or else in the whole tensor
        p <- p - lr (d + k weight_decay p)    k is wd_ratio where d is projected, otherwise 1

    Paper: Heo et al. 2021, arXiv:2006.08217, Algorithm 1.
    Differs: not in torch. As the authors' adamp, but that their weight_decay is divided by
    1 - momentum, and their first b is (1 - dampening) g.
    """,
)
