"""Evaluating on Lookahead's slow weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from thalweg.optim.swapping import swapped
from thalweg.stages import Lookahead

__all__ = ["SlowWeights"]


class SlowWeights:
    """What optimizers with a Lookahead stage have besides: `sync` and `slow_weights`."""

    def sync(self) -> None:
        """Let the slow weights take a step towards the fast ones now, and start again from there.

        The step is the one of every k-th `step`; the count of steps does not change. Parameters
        that have not been stepped yet have no slow weights, and stay as they are.
        """
        with torch.no_grad():
            for p, slow, alpha in _pairs(self):
                wide = torch.promote_types(p.dtype, torch.float32)
                fast, moved = Lookahead.update(p.to(wide), slow.to(wide), alpha, True)
                p.copy_(fast)
                slow.copy_(moved)

    @contextmanager
    def slow_weights(self) -> Iterator[None]:
        """Put the slow weights into the parameters for the length of a `with` block.

            with opt.slow_weights():
                evaluate(model)

        The fast weights come back at its end, whatever happens in it; `step` inside it raises.
        """
        with swapped(self, "slow_weights()", [(p, slow) for p, slow, _ in _pairs(self)]):
            yield


def _pairs(opt: Any) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Every parameter that has slow weights, with them and its alpha."""
    slots: list[Any] = [s for s in opt.chain.slots if issubclass(s.part.declared, Lookahead)]
    for group in opt.param_groups:
        views = opt.chain.views(group)
        for slot in slots:
            alpha = views[opt.chain.parts.index(slot.part)].alpha
            for p in group["params"]:
                if p in opt.state and slot.key in opt.state[p]:
                    yield p, opt.state[p][slot.key], alpha
