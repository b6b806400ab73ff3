"""L-BFGS: an optimizer that calls its closure as often as it needs to, over all parameters at once.

Its elementwise work is torch's. The two passes over the history, where its time goes, are kernels
of their own: many inner products at once, and one combination of many vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._compile import _disable_dynamo

from thalweg.border.matching import pairs_of_names
from thalweg.optim.base import BaseOptimizer
from thalweg.optim.lbfgs.history import Gram, begin, combined, forget, inner, restart
from thalweg.optim.lbfgs.line_search import Number, Point
from thalweg.optim.lbfgs.objective import Objective, size_of
from thalweg.optim.loading import check_form, check_vectors, unshare
from thalweg.optim.words import in_torchs_words
from thalweg.settings import Setting

__all__ = ["LBFGS"]

SETTINGS = {
    "lr": Setting(1.0, low=0),
    "max_iter": Setting(20, low=0),
    "max_eval": Setting(25, low=0),
    "tolerance_grad": Setting(1e-7),
    "tolerance_change": Setting(1e-9),
    "history_size": Setting(100, low=1),
}
# settings of the problem as a whole: there is one closure, so they cannot differ between groups
OF_ALL = (*(name for name in SETTINGS if name != "lr"), "line_search_fn", "maximize")

# A pair is kept if y.s exceeds this, so that H stays positive.
LEAST_CURVATURE = 1e-10


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

    _gram: Gram | None

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
        if max_eval is None:
            settings["max_eval"] = max_iter * 5 // 4
        super().__init__(params, settings)

    def _begin(self) -> None:
        super()._begin()
        self._gram = None

    @in_torchs_words
    def _check(self, settings: Mapping[str, Any]) -> None:
        lr = settings["lr"]
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(
                "LBFGS: lr must be a number or a tensor of one element, "
                f"got a tensor of shape {tuple(lr.shape)}"
            )
        for name, setting in SETTINGS.items():
            if name != "max_eval" or settings[name] is not None:
                setting.check(f"LBFGS: {name}", settings[name])
        if settings["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(
                "LBFGS: line_search_fn must be 'strong_wolfe' or None, "
                f"got {settings['line_search_fn']!r}"
            )

    def _complete(self, group: dict[str, Any]) -> None:
        for name, setting in SETTINGS.items():
            group.setdefault(name, setting.default)
        group.setdefault("line_search_fn", None)
        group.setdefault("maximize", False)

    def _new_group(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """A group joins the one problem that is solved."""
        of_all = {name: group[name] for group in self.param_groups[:1] for name in OF_ALL}
        group = {**of_all, **given}
        self._check({**self.defaults, **group})
        for name, value in of_all.items():
            if group[name] != value:
                raise ValueError(
                    f"LBFGS: {name} must be the same in all groups, for they are one "
                    f"problem; got {group[name]!r} beside {value!r}"
                )
        return group

    def _has_grown(self) -> None:
        for held in self.state.values():  # the history starts anew
            restart(held)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self._loading is not None:
            self._take_as_saved(self._loading)

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

    def _take_as_saved(self, loaded: dict[str, Any]) -> None:
        """Take vectors that torch has rounded to the first parameter's type; `step` decides."""
        ids = [number for group in loaded["param_groups"] for number in group["params"]]
        params = [p for group in self.param_groups for p in group["params"]]
        for number, p in zip(ids[:1], params[:1], strict=True):
            for key, value in loaded["state"].get(number, {}).items():
                self.state[p][key] = _on_device(value, p.device)
        unshare(self.state, loaded["state"])

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
            state = self.state[p]
            begin(state, g)
            if state.get("d") is None:
                state.update(d=torch.zeros_like(g), t=0.0, H_diag=g.new_tensor(1.0))
                state.update(prev_flat_grad=g, prev_loss=0.0)

    @_disable_dynamo
    def _minimize(self, problem: Objective) -> Any:
        f, g = problem.evaluate()
        first_loss = problem.loss
        if g.numel():
            state = self.state[problem.params[0]]
            begin(state, g)
            try:
                self._iterate(problem, state, f, g)
            finally:
                state["func_evals"] += problem.evaluations
        return first_loss

    def _iterate(self, problem: Objective, state: dict[str, Any], f: float, g: Tensor) -> None:
        h = self.param_groups[0]
        for i in range(int(h["max_iter"])):
            steepest = float(_largest(g))
            if steepest <= h["tolerance_grad"]:
                return
            if h["line_search_fn"] and not (math.isfinite(f) and math.isfinite(steepest)):
                return  # there is nothing to compare a trial with
            is_first = state["n_iter"] == 0 or state.get("d") is None
            d = self._direction(problem, state, g, is_first)
            # The last step is taken in. Until there is another, none has been made since.
            state.update(d=d, t=0.0, prev_flat_grad=g, prev_loss=f)
            start = Point(0.0, f, g, g.dot(d))
            t: Number = problem.rate
            if start.slope > -h["tolerance_change"]:
                state["n_iter"] += 1
                return
            if is_first:
                t = min(1.0, 1.0 / g.abs().sum()) * t
            longest = _largest(d)
            if h["line_search_fn"] and t > 0:
                limit = int(h["max_eval"]) - problem.evaluations
                t, f, g, _ = problem.search(start, t, d, longest, h["tolerance_change"], limit)
            else:
                problem.advance(t, d)
            state.update(t=float(t), n_iter=state["n_iter"] + 1)
            is_last = i + 1 == h["max_iter"]
            if not h["line_search_fn"] and not is_last:
                f, g = problem.evaluate()
            has_stalled = abs(f - state["prev_loss"]) < h["tolerance_change"]
            if has_stalled or problem.evaluations >= h["max_eval"]:
                return
            if _is_within(longest, float(t), h["tolerance_change"]):
                return

    def _direction(
        self, problem: Objective, state: dict[str, Any], g: Tensor, is_first: bool
    ) -> Tensor:
        """-H g, in each group in proportion to its lr."""
        d = forget(state, g) if is_first else self._newton(state, g)
        if problem.scale(d) and g.dot(d) > -self.param_groups[0]["tolerance_change"]:
            d = forget(state, g)
            problem.scale(d)
        return d

    def _newton(self, state: dict[str, Any], g: Tensor) -> Tensor:
        """-H g, after the last step has been taken into the history."""
        m = int(self.param_groups[0]["history_size"])
        d, t = state["d"], state["t"]
        s, y = d if t == 1 else d * t, g - state["prev_flat_grad"]
        gram = self._gram
        if gram is None or not gram.is_of(state["old_stps"], state["old_dirs"]):
            gram = self._gram = Gram(state["old_stps"], state["old_dirs"])
        if y.dot(s) > LEAST_CURVATURE:
            gram.shrink(m - 1)
            products = inner([*gram.s, s, *gram.y, y], g, y)
            with_s, with_y = products.reshape(2, -1, 2)
            gram.grow(s, y, with_s[:, 1], with_y[:, 1])
            ys, yy = with_s[-1, 1], with_y[-1, 1]
            state.update(
                old_stps=list(gram.s),
                old_dirs=list(gram.y),
                ro=[*state["ro"], _number(float(1 / ys), g)][-m:],
                H_diag=_number(float(ys / yy), g),
            )
        else:
            products = inner([*gram.s, *gram.y], g, g)
        gamma = float(state["H_diag"])
        alpha, c = gram.two_loops(products[:, 0], gamma)
        state.setdefault("al", [None] * m)  # where torch writes its own alpha
        # in the order of the two loops, with their partial sums
        coefficients = np.concatenate((-gamma * alpha[::-1], c))
        return combined(-gamma, g, coefficients, [*reversed(gram.y), *gram.s])


def _in_live_order(optimizer: torch.optim.Optimizer, given: dict[str, Any]) -> dict[str, Any]:
    """A state_dict with its history in the order of the live parameters, if both have names.

    Where they are not the same parameters, it is one without a history.
    """
    check_form("LBFGS.load_state_dict", given)
    saved, live = given["param_groups"], optimizer.param_groups
    if not all(group.get("param_names") for group in (*saved, *live) if group["params"]):
        return given
    names, live_names = (
        [name for group in groups for name in group.get("param_names", ())]
        for groups in (saved, live)
    )
    ids = [number for group in saved for number in group["params"]]
    if names == live_names or len(ids) != len(names) or ids[0] not in given["state"]:
        return given
    held, called = dict(given["state"][ids[0]]), pairs_of_names(names, live_names)
    if len(called) == len(names) == len(live_names):
        names = [called[name] for name in names]
        sizes = [size_of(p) for group in live for p in group["params"]]
        _reorder(held, names, dict(zip(live_names, sizes, strict=True)))
    else:
        restart(held)
    number_of = dict(zip(names, ids, strict=True))
    return {**given, "state": {number_of.get(live_names[0], ids[0]): held}}


def _reorder(held: dict[str, Any], names: Sequence[str], sizes: dict[str, int]) -> None:
    """Bring the vectors of a history from the order of `names` into that of `sizes`."""

    def reordered(vector: Tensor) -> Tensor:
        pieces = torch.split(vector, [sizes[name] for name in names])
        of = dict(zip(names, pieces, strict=True))
        return torch.cat([of[name] for name in sizes])

    for key in ("d", "prev_flat_grad"):
        if held.get(key) is not None:
            held[key] = reordered(held[key])
    for key in ("old_dirs", "old_stps"):
        held[key] = [reordered(vector) for vector in held.get(key) or ()]


def _on_device(value: Any, device: torch.device) -> Any:
    if isinstance(value, list):
        return [_on_device(one, device) for one in value]
    return value.to(device) if isinstance(value, Tensor) else value


def _largest(vector: Tensor) -> Tensor:
    """max |v_i| without a copy of v; NaN if there is one."""
    low, high = torch.aminmax(vector)
    return torch.maximum(-low, high)


def _is_within(longest: Tensor, t: float, tolerance: float) -> bool:
    """Whether t longest <= tolerance, as the gradient's type rounds it; a Python number says so
    where no rounding could."""
    if float(longest) * t > max(2 * tolerance, torch.finfo(longest.dtype).tiny):
        return False
    return bool(longest * t <= tolerance)


def _number(value: float, g: Tensor) -> Tensor:
    """A tensor without axes, of a gradient's type: in half the time of `new_tensor`."""
    return torch.scalar_tensor(value, dtype=g.dtype, device=g.device)
