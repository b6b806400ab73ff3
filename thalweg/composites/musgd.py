"""MuSGD of matrices and convolutions, with SGD for the rest."""

from thalweg import rules
from thalweg.chain import chain
from thalweg.either import either
from thalweg.optimizers import OPTIMIZERS

_SGD = """
        h  = g + weight_decay p                 SGD, of a vector
        b <- momentum b + h
        p <- p - lr (h + momentum b)            with nesterov, else lr b
"""

MuSGD = chain(
    "MuSGD",
    either(rules.MuSGD, OPTIMIZERS["SGD"], shared=True),
    signature=rules.MuSGD.signature,
    doc=(rules.MuSGD.__doc__ or "").replace("\n\n    Paper:", f"{_SGD}\n    Paper:"),
)
