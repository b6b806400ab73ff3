"""Muon, with decoupled weight decay in front."""

from thalweg import rules
from thalweg.chain import chain
from thalweg.stages import DecoupledDecay

Muon = chain(
    "Muon",
    DecoupledDecay,
    rules.Muon,
    signature=rules.Muon.signature,
    weight_decay=0.1,
    decoupled_weight_decay=True,
    doc=rules.Muon.__doc__ or "",
)
