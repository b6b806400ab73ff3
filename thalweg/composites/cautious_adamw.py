"""Cautious AdamW: AdamW whose steps never go against the gradient of now."""

from thalweg.chain import chain
from thalweg.rules import Adam
from thalweg.stages import Cautious, DecoupledDecay

CautiousAdamW = chain(
    "CautiousAdamW",
    DecoupledDecay,
    Adam,
    Cautious,
    signature="lr, betas, eps, weight_decay",
    weight_decay=1e-2,
    decoupled_weight_decay=True,
    doc="""Cautious AdamW: AdamW whose steps never go against the gradient of now.

    A coordinate whose momentum points against its gradient stands still, and the others go
    further by as much. Reported to train language models in fewer steps, at AdamW's settings.

        p <- p - lr weight_decay p
        m <- b1 m + (1 - b1) g
        v <- b2 v + (1 - b2) g^2
        u  = lr mhat / (sqrt(vhat) + eps),                    mhat = m / (1 - b1^t)
        p <- p - u [u g > 0] / max(mean [u g > 0], 1e-3)      vhat = v / (1 - b2^t)

    Paper: Liang et al. 2024, arXiv:2411.16085, Algorithm 1.
    Differs: not in torch.
    """,
)
