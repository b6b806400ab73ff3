"""APOLLO of matrices, with Adam for what it does not take."""

from thalweg import rules
from thalweg.chain import chain
from thalweg.composites.others import with_others
from thalweg.either import either
from thalweg.stages import DecoupledDecay

APOLLO = chain(
    "APOLLO",
    DecoupledDecay,
    either(rules.APOLLO, rules.Adam, shared=True),
    signature="lr, betas, eps, weight_decay, rank, update_proj_gap, scale, scale_type, seed",
    decoupled_weight_decay=True,
    doc=with_others(rules.APOLLO),
)
