"""GaLore of matrices, with Adam for what it does not take."""

from thalweg import rules
from thalweg.chain import chain
from thalweg.composites.others import with_others
from thalweg.either import either
from thalweg.stages import DecoupledDecay

GaLore = chain(
    "GaLore",
    DecoupledDecay,
    either(rules.GaLore, rules.Adam, shared=True),
    signature="lr, betas, eps, weight_decay, rank, update_proj_gap, scale",
    decoupled_weight_decay=True,
    doc=with_others(rules.GaLore),
)
