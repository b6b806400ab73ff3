"""Optimizers that take some of a model's tensors, made to train all of it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from thalweg import rules
from thalweg.chain import Chain, chain
from thalweg.either import either
from thalweg.optimizers import OPTIMIZERS
from thalweg.stages import DecoupledDecay

__all__ = ["joined_by_adamw"]

_DOC = """{} for the matrices, AdamW for the rest, at one lr: where the rule can, its step is scaled
to AdamW's.

As Moonlight does it for Muon (Liu et al. 2025, arXiv:2502.16982).
"""


@lru_cache
def joined_by_adamw(name: str) -> Chain | None:
    """An optimizer of the registry with AdamW for what is no matrix; None for those that take every
    tensor, and for what the registry does not have."""
    made = OPTIMIZERS.get(name)
    if made is None or made.choice.which((1,)) is not None:
        return None
    fixed: dict[str, Any] = {"weight_decay": made.settings["weight_decay"].default}
    if "adjust_lr_fn" in made.settings:
        fixed["adjust_lr_fn"] = "match_rms_adamw"
    return chain(
        name,
        DecoupledDecay,
        either(made.rules[0], rules.Adam, shared=True),
        doc=_DOC.format(name),
        **fixed,
    )
