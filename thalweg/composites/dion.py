"""Dion, with decoupled weight decay in front."""

from thalweg import rules
from thalweg.chain import chain
from thalweg.stages import DecoupledDecay

Dion = chain(
    "Dion",
    DecoupledDecay,
    rules.Dion,
    signature=rules.Dion.signature,
    weight_decay=0.01,
    decoupled_weight_decay=True,
    doc=rules.Dion.__doc__ or "",
)
