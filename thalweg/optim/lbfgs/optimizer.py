"""L-BFGS: an optimizer that calls its closure as often as it needs to, over all parameters at once.

What it computes is `thalweg.lbfgs`; here are torch's surface and its files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch._compile import _disable_dynamo

from thalweg.lbfgs import settings as of_problem
from thalweg.lbfgs.history import restart
from thalweg.lbfgs.minimizing import Memory
from thalweg.lbfgs.saved import in_live_order
from thalweg.optim import tensors  # noqa: F401  (the words on torch's tensors)
from thalweg.optim.base import BaseOptimizer
from thalweg.optim.lbfgs.objective import Objective, size_of
from thalweg.optim.lbfgs.vectors import TensorVectors
from thalweg.optim.loading import check_form, check_vectors
from thalweg.optim.own_states import Typed, no_narrower
from thalweg.optim.words import in_torchs_words

__all__ = ["LBFGS"]


class LBFGS(BaseOptimizer, torch.optim.LBFGS):
    """L-BFGS: limited-memory quasi-Newton.

    Learns the curvature from its last m steps, and so needs tens of evaluations where
    gradient descent needs thousands. For smooth losses computed on all the data at once
    (fits, style transfer, physics); under the noise of small batches use Adam.

        y  <- g - g of the iteration before,  s <- t d     kept if y.s > 1e-10: m pairs
        H0 <- y.s / y.y  of the newest pair
        d  <- -H g,   H = H0, then for each pair from the oldest to the newest
                      H <- (1 - s y' / y.s) H (1 - y s' / y.s) + s s' / y.s
        p  <- p + t d,   t = lr, in the first iteration lr min(1, 1/|g|_1);
                         with line_search_fn="strong_wolfe", a t found from there

    Paper: Liu and Nocedal 1989, Mathematical Programming 45; Nocedal and Wright 2006,
    Numerical Optimization, Algorithms 7.4, 3.5 and 3.6; the product H g from inner products
    alone: Byrd, Nocedal and Schnabel 1994, Theorem 2.2; Chen, Wang and Zhou 2014.
    Differs: as torch, the threshold 1e-10 and the first t (the papers have neither), and with a
    fixed step NaN in the loss or the gradient goes into the parameters. Unlike torch, the line
    search takes a trial whose loss or gradient is not finite for one that went too far, and no
    step is taken from such a point; all groups are one
    problem, in which a smaller lr makes a group's part of d shorter in proportion (if that leads
    uphill, the pairs are forgotten); a group added later starts the history anew; inner products
    are summed in double precision; a direction not followed is no s; and a closure that raises
    leaves the parameters where the last whole iteration put them.
    """

    _memory: Memory

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
        *,
        maximize: bool = False,
    ) -> None:
        settings = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
            "maximize": maximize,
        }
        self._check(settings)
        super().__init__(params, of_problem.given(settings))

    def _begin(self) -> None:
        super()._begin()
        self._memory = Memory(TensorVectors())

    @in_torchs_words
    def _check(self, settings: Mapping[str, Any]) -> None:
        of_problem.check(settings)

    def _complete(self, group: dict[str, Any]) -> None:
        of_problem.complete(group)

    def _new_group(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """A group joins the one problem that is solved."""
        return of_problem.of_new_group(self.param_groups, self.defaults, given)

    def _has_grown(self) -> None:
        for held in self.state.values():  # the history starts anew
            restart(held)

    def load_state_dict(self, state_dict: dict[str, Any], strict: bool = True) -> None:
        """Load a state_dict of ours or of torch's LBFGS.

        Where both sides have the parameters' names, the history is put in the order of the live
        parameters. With `strict`, a name missing on either side is an error; without, the history
        then starts anew.
        """
        handle = self.register_load_state_dict_pre_hook(_in_live_order)
        try:
            super().load_state_dict(state_dict, strict)
        finally:
            handle.remove()

    def _own_states(
        self, title: str, loaded: Mapping[str, Any], typed: Typed = no_narrower
    ) -> Mapping[Any, Any]:
        """Vectors stay as they were saved, whatever the first parameter's type: `step` decides."""
        return super()._own_states(title, loaded, lambda saved, *_: saved)

    def _check_all(self, title: str, loaded: dict[str, Any]) -> None:
        super()._check_all(title, loaded)
        ids = [number for group in loaded["param_groups"] for number in group["params"]]
        size = sum(size_of(p) for group in self.param_groups for p in group["params"])
        for number in ids[:1]:
            check_vectors(title, loaded["state"].get(number, {}), size)

    @_disable_dynamo  # as torch does: how often it asks for a loss, it knows when it has one
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take up to `max_iter` iterations; returns what the closure's first call returned.

        `closure` computes the gradients anew and returns the loss. It is called with gradients
        enabled, once for each point that is looked at.
        """
        for group in self.param_groups:  # it may have changed
            self._check(group)
        with torch.no_grad():
            if closure is None:
                return self._prepare()
            return self._minimize(Objective(self.param_groups, closure))

    def _prepare(self) -> None:
        """The step that torch's distributed checkpoints take at lr 0 along zeros, for the states.

        Nothing can move in it; any other step needs a closure.
        """
        problem = Objective(self.param_groups)
        g = problem.gradient()
        if problem.rate or bool(g.any()):
            raise TypeError(
                "LBFGS: step needs a closure that computes the gradients anew and returns the "
                "loss, got None"
            )
        for p in problem.params[:1]:
            self._memory.prepare(self.state[p], g)

    @_disable_dynamo
    def _minimize(self, problem: Objective) -> Any:
        f, g = problem.evaluate()
        first_loss = problem.loss
        if g.numel():
            state = self.state[problem.params[0]]
            self._memory.minimize(problem, state, self.param_groups[0], f, g)
        return first_loss


def _in_live_order(optimizer: torch.optim.Optimizer, given: dict[str, Any]) -> dict[str, Any]:
    """A state_dict with its history in the order of the live parameters."""
    check_form("LBFGS.load_state_dict", given)
    return in_live_order(given, optimizer.param_groups, size_of, torch.cat)
