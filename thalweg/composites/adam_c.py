"""AdamC: AdamW whose decay keeps its strength where the learning rate falls."""

from thalweg.chain import chain
from thalweg.rules import Adam
from thalweg.stages import CorrectedDecay

AdamC = chain(
    "AdamC",
    CorrectedDecay,
    Adam,
    signature="lr, betas, eps, weight_decay, amsgrad, *, corrected, max_lr",
    weight_decay=1e-2,
    doc="""AdamC: AdamW whose decay keeps its strength where the learning rate falls.

    Under a falling lr, AdamW's gradients and weights grow towards the end of a long training; with
    the square of lr in the decay they do not. For layers in front of a norm; give others, such as
    embeddings and the head, a group with corrected=False.

        peak <- max(peak, lr, max_lr)
        p    <- p - lr^2 / peak weight_decay p            lr weight_decay p with corrected=False
        m    <- b1 m + (1 - b1) g
        v    <- b2 v + (1 - b2) g^2
        vmax <- max(vmax, v)                              with amsgrad
        p    <- p - lr mhat / (sqrt(vhat) + eps),         mhat = m / (1 - b1^t)
                                                          vhat = v / (1 - b2^t), or vmax's

    Paper: Defazio 2025, arXiv:2506.02285.
    Differs: not in torch. max_lr is the largest lr of the schedule, which OneCycleLR writes into
    the groups by itself; without it the largest so far is taken, and kept by a state_dict.
    """,
)
