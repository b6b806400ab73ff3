"""SOAP of matrices, with Adam for what it does not take."""

from thalweg import rules
from thalweg.chain import chain
from thalweg.composites.others import with_others
from thalweg.either import either
from thalweg.stages import DecoupledDecay

SOAP = chain(
    "SOAP",
    DecoupledDecay,
    either(rules.SOAP, rules.Adam, shared=True),
    signature="lr, betas, shampoo_beta, eps, weight_decay, precondition_frequency",
    weight_decay=1e-2,
    decoupled_weight_decay=True,
    doc=with_others(rules.SOAP),
)
