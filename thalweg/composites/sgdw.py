"""SGDW: SGD with decoupled weight decay."""

from thalweg.chain import chain
from thalweg.rules import SGD
from thalweg.stages import DecoupledDecay

SGDW = chain(
    "SGDW",
    DecoupledDecay,
    SGD,
    signature=SGD.signature,
    momentum=0.9,
    weight_decay=1e-4,
    decoupled_weight_decay=True,
    doc="""SGDW: SGD with decoupled weight decay.

    The weights shrink by themselves and not through the momentum, so that the best weight_decay
    no longer hangs on the momentum: what AdamW is to Adam, for convolutional networks.

        p <- p - lr weight_decay p
        b <- momentum b + (1 - dampening) g      the first time: b <- g
        d  = g + momentum b                      with nesterov; otherwise d = b
        p <- p - lr d

    Paper: Loshchilov and Hutter 2019, arXiv:1711.05101, Algorithm 1.
    Differs: not in torch. As `SGD` and AdamW of torch, lr is not inside b and the paper's schedule
    multiplier is lr itself.
    """,
)
