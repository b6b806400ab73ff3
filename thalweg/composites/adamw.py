"""AdamW: Adam with decoupled weight decay."""

from thalweg.chain import chain
from thalweg.optimizers import OPTIMIZERS

AdamW = chain(
    "AdamW",
    OPTIMIZERS["Adam"],
    signature="lr, betas, eps, weight_decay, amsgrad",
    weight_decay=1e-2,
    decoupled_weight_decay=True,
    doc="""AdamW: Adam with decoupled weight decay.

    Every weight loses the same share per step, whatever its gradient's scale, where Adam's own
    decay would be divided by it. The default for transformers.

        p    <- p - lr weight_decay p
        m    <- b1 m + (1 - b1) g
        v    <- b2 v + (1 - b2) g^2
        vmax <- max(vmax, v)                              with amsgrad
        p    <- p - lr mhat / (sqrt(vhat) + eps),         mhat = m / (1 - b1^t)
                                                          vhat = v / (1 - b2^t), or vmax's

    Paper: Loshchilov and Hutter 2019, arXiv:1711.05101, Algorithm 2.
    Differs: as torch, the schedule multiplier of the paper is lr itself, and vmax is taken
    before the bias correction. Where torch refuses an lr or betas that are tensors, with foreach
    or beside floats, they are taken.
    """,
)
