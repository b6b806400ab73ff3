"""Grams: Adam's step sizes in the direction of the gradient of now."""

from thalweg.chain import chain
from thalweg.rules import Adam
from thalweg.stages import DecoupledDecay, GradientSign

Grams = chain(
    "Grams",
    DecoupledDecay,
    Adam,
    GradientSign,
    signature="lr, betas, eps, weight_decay",
    decoupled_weight_decay=True,
    doc="""Grams: Adam's step sizes in the direction of the gradient of now.

    Momentum decides how far a coordinate goes and not which way, so it never carries a weight
    past the point where the gradient has turned.

        p <- p - lr weight_decay p
        m <- b1 m + (1 - b1) g
        v <- b2 v + (1 - b2) g^2
        p <- p - lr sign(g) |mhat| / (sqrt(vhat) + eps),      mhat = m / (1 - b1^t)
                                                              vhat = v / (1 - b2^t)

    Paper: Cao et al. 2024, arXiv:2412.17107, Algorithm 1.
    Differs: not in torch; weight_decay is 0 unless it is given.
    """,
)
