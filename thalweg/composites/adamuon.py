"""AdaMuon, with decoupled weight decay in front."""

from thalweg import rules
from thalweg.chain import chain
from thalweg.stages import DecoupledDecay

AdaMuon = chain(
    "AdaMuon",
    DecoupledDecay,
    rules.AdaMuon,
    signature=rules.AdaMuon.signature,
    weight_decay=0.01,
    decoupled_weight_decay=True,
    doc=rules.AdaMuon.__doc__ or "",
)
