"""Cautious Lion: Lion whose steps never go against the gradient of now."""

from thalweg.chain import chain
from thalweg.rules import Lion
from thalweg.stages import Cautious, DecoupledDecay

CautiousLion = chain(
    "CautiousLion",
    DecoupledDecay,
    Lion,
    Cautious,
    signature="lr, betas, weight_decay",
    decoupled_weight_decay=True,
    doc="""Cautious Lion: Lion whose steps never go against the gradient of now.

        p <- p - lr weight_decay p
        u  = lr sign(b1 m + (1 - b1) g)
        p <- p - u [u g > 0] / max(mean [u g > 0], 1e-3)
        m <- b2 m + (1 - b2) g

    Paper: Liang et al. 2024, arXiv:2411.16085, Algorithm 1.
    Differs: not in torch. The scale is that of C-AdamW; the authors' C-Lion has n / (count + 1).
    """,
)
