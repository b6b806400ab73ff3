"""Evaluating on the averaged weights that `average=` keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from thalweg.chain import Chain
from thalweg.optim.swapping import swapped
from thalweg.stages import EqualAverage, ExponentialAverage

__all__ = ["AveragedWeights"]


class AveragedWeights:
    """What an optimizer with an average has besides: `averaged_weights` and `load_averaged`."""

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Put the averages into the parameters for the length of a `with` block.

            with opt.averaged_weights():
                evaluate(model)

        The weights come back at its end, whatever happens in it; `step` inside it raises. A
        parameter with no average yet keeps its own value. Batch norms keep the statistics of the
        weights they were trained with: `update_bn` inside the block makes new ones.
        """
        pairs = [(p, average) for p, average in _pairs(self).items() if average is not None]
        with swapped(self, "averaged_weights()", pairs):
            yield

    @torch.no_grad()
    def load_averaged(self, model: Module) -> None:
        """Copy the averages into a model: the optimizer's own, or another of the same parameters.

        Another model is matched by the parameters' names if the optimizer was made from
        `named_parameters()`, else by their order. A parameter with no average yet is copied as it
        is; buffers are left alone.
        """
        averages = _pairs(self)
        targets = _targets(self, model, list(averages))
        for (p, average), target in zip(averages.items(), targets, strict=True):
            value = p if average is None else average
            if target.shape != value.shape:
                raise ValueError(
                    f"{_title(self)}.load_averaged: the model's parameters must have the shapes of "
                    f"the optimizer's, got {tuple(target.shape)} for {tuple(value.shape)}"
                )
        for (p, average), target in zip(averages.items(), targets, strict=True):
            target.copy_(p if average is None else average)


def _pairs(opt: Any) -> dict[Tensor, Tensor | None]:
    """Every parameter with its average; None where there is none yet."""
    slots = [s for s in opt.chain.slots if s.part.declared in (ExponentialAverage, EqualAverage)]
    if not slots:
        raise RuntimeError(
            f"{_title(opt)} keeps no average; make it with average=EMA(...) or average=SWA(...)"
        )
    key, counter = slots[-1].key, _counter(opt.chain)
    found: dict[Tensor, Tensor | None] = {}
    for group in opt.param_groups:
        for p in group["params"]:
            held = opt.state.get(p, {})
            has_begun = counter is None or float(held.get(counter, 0)) > 0
            found[p] = held.get(key) if has_begun else None
    return found


def _counter(chain: Chain) -> str | None:
    """The key of the number of weights in the mean, if the average counts them."""
    for part in chain.parts:
        for name, s in part.declared.declaration.scalar_states.items():
            if part.declared is EqualAverage:
                return part.key(name, s.key)
    return None


def _targets(opt: Any, model: Module, params: list[Tensor]) -> list[Tensor]:
    """The model's parameter for each of the optimizer's."""
    named = dict(model.named_parameters())
    theirs = list(named.values())
    if {id(p) for p in params} <= {id(p) for p in theirs}:
        return params
    names = [name for group in opt.param_groups for name in group.get("param_names", ())]
    if len(names) == len(params):
        missing = [name for name in names if name not in named]
        if missing:
            raise ValueError(
                f"{_title(opt)}.load_averaged: the model must have the optimizer's parameters; "
                f"it lacks {', '.join(map(repr, missing))}"
            )
        return [named[name] for name in names]
    if len(theirs) != len(params):
        raise ValueError(
            f"{_title(opt)}.load_averaged: the model must have the optimizer's {len(params)} "
            f"parameters, got {len(theirs)}; made from named_parameters(), the optimizer would "
            "find its own among them"
        )
    return theirs


def _title(opt: Any) -> str:
    return str(opt.chain.name)
