"""Optimizers that take some of a model's tensors, made to train all of it."""

from __future__ import annotations

from functools import lru_cache

from thalweg import rules
from thalweg.chain import Chain, chain
from thalweg.either import either
from thalweg.stages import DecoupledDecay

__all__ = ["muon_and_adamw"]


@lru_cache(maxsize=1)
def muon_and_adamw() -> Chain:
    """Muon for the matrices, AdamW for the rest, at one lr: Muon's step is scaled to AdamW's.

    As Moonlight does it (Liu et al. 2025, arXiv:2502.16982).
    """
    return chain(
        "Muon",
        DecoupledDecay,
        either(rules.Muon, rules.Adam, shared=True),
        adjust_lr_fn="match_rms_adamw",
        weight_decay=0.1,
        doc=muon_and_adamw.__doc__ or "",
    )
