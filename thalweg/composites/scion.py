"""Scion, whose ball is called `norm` as by its authors."""

from thalweg import rules
from thalweg.chain import chain, named

Scion = chain(
    "Scion",
    named(rules.Scion, ball="norm"),
    signature="lr, momentum, scale, unconstrained, norm",
    doc=rules.Scion.__doc__ or "",
)
