"""Shampoo of matrices, with Adam for what it does not take."""

from thalweg import rules
from thalweg.chain import chain
from thalweg.composites.others import with_others
from thalweg.either import either
from thalweg.optimizers import OPTIMIZERS

Shampoo = chain(
    "Shampoo",
    either(rules.Shampoo, OPTIMIZERS["Adam"]),
    signature="lr, eps, precondition_frequency, *, others_lr, others_betas, others_eps",
    doc=with_others(rules.Shampoo),
)
