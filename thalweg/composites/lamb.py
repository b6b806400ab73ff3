"""LAMB: Adam with a trust ratio for every layer."""

from thalweg.chain import chain
from thalweg.rules import Adam
from thalweg.stages import StepDecay, TrustRatio

LAMB = chain(
    "LAMB",
    Adam,
    StepDecay,
    TrustRatio,
    signature="lr, betas, eps, weight_decay",
    eps=1e-6,
    doc="""LAMB: Adam with a trust ratio for every layer.

    Adam's step, brought to a share lr of its tensor's length: no layer moves too far, whatever
    the batch. For batches of thousands; on small ones AdamW is as good and simpler.

        m <- b1 m + (1 - b1) g
        v <- b2 v + (1 - b2) g^2
        r  = mhat / (sqrt(vhat) + eps) + weight_decay p,      mhat = m / (1 - b1^t)
        p <- p - lr |p| / |r| r                               vhat = v / (1 - b2^t)

    Paper: You et al. 2020, arXiv:1904.00962, Algorithm 2.
    Differs: not in torch. The ratio is 1 where |p| or |r| is zero. Gradients are not clipped
    first, as some packages do: put `ClipNorm` in front for that.
    """,
)
