"""The weights to look at: what a training evaluates and keeps, where it is not what it steps.

Lookahead, averages, ASGD and Schedule-Free each declare by `evaluate` what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from thalweg.border.copies import WithCopies, bring_back, itself, lend

__all__ = ["Evaluated"]

_EVAL = "eval()"


class Evaluated(WithCopies):
    """What every optimizer has for evaluation: `evaluation`, or `eval` and `train`."""

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Put the weights to look at into the parameters for the length of a `with` block.

            with opt.evaluation():
                evaluate(model)

        They are what the chain keeps for that: Lookahead's slow weights, an average, ASGD's, those
        of Schedule-Free; of a chain that keeps none they are the weights. Parameters that have not
        been stepped yet keep their own. The weights of the training come back at its end, whatever
        happens in it; `step`, `state_dict` and `load_state_dict` inside it raise. What else writes
        into the weights inside it, such as a model that is loaded, is lost, and a warning says so.

        Batch norms keep the statistics of the weights they were trained with: torch's `update_bn`
        inside the block makes new ones, and a copy of the buffers brings the old ones back.
        """
        opt = itself(self)
        if opt._swapped == "evaluation()":
            yield
            return
        lend(opt, "evaluation()", _looked_at(opt))
        try:
            yield
        finally:
            bring_back(opt)

    def eval(self) -> None:
        """Put the weights to look at into the parameters until `train` is called; twice is once.

        As `evaluation`, for loops that say in two places when they evaluate. An optimizer
        copied meanwhile, by deepcopy or pickle, waits for its own `train`.
        """
        opt = itself(self)
        if opt._swapped != _EVAL:
            lend(opt, _EVAL, _looked_at(opt))

    def train(self) -> None:
        """Put the weights of the training back, which `eval` took away; without it, nothing."""
        opt = itself(self)
        if opt._swapped == _EVAL:
            bring_back(opt)


def _looked_at(opt: Any) -> Iterator[tuple[Any, Any]]:
    """Every parameter that is looked at otherwise, with its value then."""
    chain = opt._chain
    for group in opt.param_groups if chain.evaluates else ():
        every = [chain.views(group, which=which) for which in chain.choice.alternatives]
        for p in group["params"]:
            views = every[chain.choice.which(p.shape, group) or 0]
            held = opt.state.get(p, {})
            value = None
            for i in chain.evaluates:
                part, h = chain.parts[i], views[i]
                if h is None:
                    continue
                keys = {n: part.key(n, s.key) for n, s in part.declared.declaration.states.items()}
                taken = part.declared.evaluate.__code__.co_varnames
                taken = taken[: part.declared.evaluate.__code__.co_argcount]
                if any(keys[name] not in held for name in taken if name in keys):
                    continue
                cells = part.declared.declaration.cells
                given = {
                    name: float(held[keys[name]]) if name in cells else opt._wide(held[keys[name]])
                    for name in taken
                    if name in keys
                }
                given |= {name: one for name, one in vars(h).items() if name in taken}
                if "p" in taken:
                    given["p"] = opt._wide(p) if value is None else value
                value = part.declared.evaluate(**given)
            if value is not None:
                yield p, value
