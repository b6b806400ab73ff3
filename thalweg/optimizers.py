"""The registry: every optimizer thalweg ships, by name.

A rule's file is enough to be in it: its optimizer is the rule with the weight decay that the rule
declares in front. What joins more than that is a file of `composites`, and stands before a rule of
its name. A chain is made when it is first asked for, so that forty rules cost a program that uses
one of them nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from thalweg import composites, rules
from thalweg.chain import Chain, chain
from thalweg.composites import COMPOSITES
from thalweg.rule import Declared
from thalweg.rules import RULES
from thalweg.stages import Decay, DecoupledDecay

__all__ = ["AUTHORS_ORDER", "OPTIMIZERS", "Registry"]

# what follows `params` and `lr` in an author's own class, where it is another order than here
AUTHORS_ORDER = {
    "Ranger": "the author's ranger.py has alpha, k, N_sma_threshhold, betas, eps, weight_decay",
    "Muon": "Jordan's has weight_decay, momentum or, before that, momentum, nesterov, ns_steps",
    "Adafactor": "transformers' has eps, clip_threshold, decay_rate, beta1, weight_decay",
}

# the stage in front of a rule, by the kind of decay that the rule declares
_DECAYS: dict[str, type[Declared]] = {
    "coupled": Decay,
    "either": Decay,
    "decoupled": DecoupledDecay,
}


def _plain(name: str) -> Chain:
    """The optimizer that a rule is by itself."""
    rule = getattr(rules, name)
    parts = [rule] if rule.decay is None else [_DECAYS[rule.decay], rule]
    fixed: dict[str, Any] = {"decoupled_weight_decay": True} if rule.decay == "decoupled" else {}
    return chain(name, *parts, signature=rule.signature, aliases=rule.aliases, **fixed)


class Registry(Mapping[str, Chain]):
    """Optimizers by name, each made once, when it is first asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], Chain]]) -> None:
        self._makers = dict(sorted(makers.items()))
        self._made: dict[str, Chain] = {}

    def __getitem__(self, name: str) -> Chain:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __contains__(self, name: object) -> bool:  # without making it
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


OPTIMIZERS = Registry(
    {
        **{name: partial(_plain, name) for name in RULES},
        **{name: partial(getattr, composites, name) for name in COMPOSITES},
    }
)
