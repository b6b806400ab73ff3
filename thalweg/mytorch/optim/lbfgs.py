"""L-BFGS on NumPy's arrays: `thalweg.lbfgs`, with torch's surface."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse import threads
from thalweg.fuse.engines import host
from thalweg.lbfgs import settings as of_problem
from thalweg.lbfgs.history import restart
from thalweg.lbfgs.line_search import Point
from thalweg.lbfgs.minimizing import Memory
from thalweg.lbfgs.saved import in_live_order
from thalweg.lbfgs.vectors import Array, Number
from thalweg.mytorch.nn import Parameter
from thalweg.mytorch.optim.base import BaseOptimizer, as_groups, evaluated
from thalweg.mytorch.optim.desk import address
from thalweg.mytorch.optim.memory import FORMAT_OF, ready_gradient

__all__ = ["LBFGS"]

Vector = NDArray[Any]


class ArrayVectors:
    """The `Vectors` of `thalweg.lbfgs` that are arrays."""

    def inner(self, rows: Sequence[Vector], u: Vector, v: Vector) -> Array:
        """The inner products of every row with u and with v, as doubles."""
        if not rows:
            return np.zeros((0, 2))
        at = list(map(address, rows))
        where = len(u), FORMAT_OF[u.dtype], address(u), address(v)
        found: Array = host().inner_products(at, *where, threads.available())
        return found

    def combined(self, k: float, u: Vector, coefficients: Array, rows: Sequence[Vector]) -> Vector:
        """k u, and every row times its coefficient, added up."""
        if not rows:
            alone: Vector = u * u.dtype.type(k)
            return alone
        out, at = np.empty_like(u), list(map(address, rows))
        where = address(u), coefficients, at, address(out), len(u), FORMAT_OF[u.dtype]
        host().combine(k, *where, threads.available())
        return out

    def dot(self, u: Vector, v: Vector) -> Number:
        """The inner product of two, in their type."""
        return u.dot(v)

    def length(self, u: Vector) -> Number:
        """The sum of the sizes of the elements."""
        return np.abs(u).sum()

    def largest(self, u: Vector) -> Number:
        """The size of the largest element; NaN if one is."""
        return np.maximum(u.max(), -u.min())

    def number(self, value: float, like: Vector) -> Number:
        """A number of an array's type."""
        return like.dtype.type(value)

    def tiny(self, of: Number) -> float:
        """The smallest number of its type that has all digits."""
        return float(np.finfo(of.dtype).tiny)

    def zeros_like(self, u: Vector) -> Vector:
        """A vector of zeros."""
        return np.zeros_like(u)

    def brought_to(self, u: Vector, like: Vector) -> Vector:
        """A vector in the type of another."""
        return np.require(u, like.dtype, ["C", "A", "W"]).reshape(-1)

    def version(self, u: Vector) -> Any:
        """NumPy counts no writes: what the history holds is for reading."""
        return None


class _Objective:
    """A closure's loss as a function of one vector: all parameters, one behind the other."""

    def __init__(
        self, groups: Sequence[Mapping[str, Any]], closure: Callable[[], Any] | None
    ) -> None:
        self._closure, self.loss, self.evaluations = closure, None, 0
        self._sign = -1 if groups[0]["maximize"] else 1
        self.params: list[Parameter] = [p for group in groups for p in group["params"]]
        self._ends = np.cumsum([p.data.size for p in self.params])[:-1]
        self._rates = [float(group["lr"]) for group in groups for _ in group["params"]]
        self.rate = max(self._rates, default=0.0)

    def evaluate(self) -> tuple[float, Vector]:
        """The loss and its gradient where the parameters are; to be minimized, so with a sign."""
        assert self._closure is not None
        self.loss = evaluated(self._closure)
        self.evaluations += 1
        if self.loss is None:
            raise TypeError("LBFGS: the closure must return the loss, got None")
        number = self.loss.item() if hasattr(self.loss, "item") else self.loss
        return self._sign * float(number), self.gradient()

    def gradient(self) -> Vector:
        """A copy of all gradients, one behind the other; zeros where there is none."""
        pieces = [
            np.zeros_like(p.data) if p.grad is None else ready_gradient("LBFGS", p)
            for p in self.params
        ]
        g: Vector = np.concatenate([piece.reshape(-1) for piece in pieces])
        return -g if self._sign < 0 else g

    def scale(self, d: Vector) -> bool:
        """Shorten d in the groups whose lr is below the largest; says whether there are any."""
        if len(set(self._rates)) < 2:
            return False
        for rate, piece in zip(self._rates, np.split(d, self._ends), strict=True):
            piece *= piece.dtype.type(rate / self.rate)
        return True

    def advance(self, t: Number, d: Vector) -> None:
        """Move the parameters by t d from where they are."""
        self._place([p.data for p in self.params], t, d)

    def along(self, d: Vector, search: Callable[[Callable[[Number], Any]], Point]) -> Point:
        """Let `search` look for a length, with a function that evaluates the loss and its gradient
        at one; move the parameters to the point it finds, or back if it fails."""
        origin = [p.data.copy() for p in self.params]

        def at(t: Number) -> tuple[float, Vector]:
            self._place(origin, t, d)
            return self.evaluate()

        try:
            found = search(at)
        except BaseException:
            for p, was in zip(self.params, origin, strict=True):
                p.data[...] = was
            raise
        self._place(origin, found.t, d)  # again, since a closure may have moved them
        return found

    def _place(self, origin: Sequence[Vector], t: Number, d: Vector) -> None:
        for p, was, piece in zip(self.params, origin, np.split(d, self._ends), strict=True):
            np.add(
                was, piece.dtype.type(t) * piece.reshape(was.shape), out=p.data, casting="same_kind"
            )


class LBFGS(BaseOptimizer):
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

    _title = "LBFGS"
    needs_closure = True

    def __init__(
        self,
        params: Any,
        lr: float = 1,
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
        of_problem.check(settings)
        self.defaults = of_problem.given(settings)
        self.param_groups, self.state = [], {}
        self._memory = Memory(ArrayVectors())
        for group in as_groups("LBFGS", params):
            self.add_param_group(group)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters to the problem; the history starts anew."""
        self._check_group(group)
        own = of_problem.of_new_group(self.param_groups, self.defaults, group)
        self.param_groups.append(self._joined({**self.defaults, **own}))
        for held in self.state.values():
            restart(held)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take up to `max_iter` iterations; returns what the closure's first call returned.

        `closure` computes the gradients anew and returns the loss. It is called once for each
        point that is looked at.
        """
        for group in self.param_groups:  # it may have changed
            of_problem.check(group)
        if closure is None:
            raise TypeError(
                "LBFGS: step needs a closure that computes the gradients anew and returns the "
                "loss, got None"
            )
        problem = _Objective(self.param_groups, closure)
        with np.errstate(all="ignore"):
            f, g = problem.evaluate()
            first_loss = problem.loss
            if len(g):
                state = self.state.setdefault(problem.params[0], {})
                self._memory.minimize(problem, state, self.param_groups[0], f, g)
        return first_loss

    def state_dict(self) -> dict[str, Any]:
        """Copies of the history and of all settings, in torch's form: parameters by their
        number."""
        ids = {p: i for i, p in enumerate(self._params())}
        groups = [
            copy.deepcopy({k: v for k, v in group.items() if k != "params"})
            | {"params": [ids[p] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {ids[p]: copy.deepcopy(held) for p, held in self.state.items() if p in ids}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Take over a history and settings, of ours or of torch's class.

        Where both sides have the parameters' names, the history is put in the order of the live
        parameters; with `strict`, a name missing on either side is an error, without, the history
        then starts anew. If something does not fit, nothing changes.
        """
        title = "LBFGS.load_state_dict"
        if not (isinstance(state_dict, Mapping) and {"state", "param_groups"} <= set(state_dict)):
            raise ValueError(
                f"{title}: the state must be what state_dict gave, a dict with 'state' and "
                f"'param_groups', got {type(state_dict).__name__}"
            )
        live = self.param_groups
        loaded = in_live_order(dict(state_dict), live, _size_of, np.concatenate, strict)
        have = [len(group["params"]) for group in live]
        given = [len(group["params"]) for group in loaded["param_groups"]]
        if have != given:
            raise ValueError(
                f"{title}: the groups must have {have} parameters, as the optimizer's, got {given}"
            )
        groups = []
        for mine, saved in zip(live, loaded["param_groups"], strict=True):
            group = {**mine, **copy.deepcopy(dict(saved)), "params": mine["params"]}
            group |= {"param_names": mine["param_names"]} if "param_names" in mine else {}
            of_problem.complete(group)
            of_problem.check(group)
            groups.append(group)
        size = sum(map(_size_of, self._params()))
        first = loaded["param_groups"][0]["params"][0]
        held = _history(title, loaded["state"].get(first, {}), size)
        self.param_groups, self._memory = groups, Memory(ArrayVectors())
        self.state = {self._params()[0]: held} if held else {}

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_memory"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._memory = Memory(ArrayVectors())


def _size_of(p: Parameter) -> int:
    return int(p.data.size)


def _history(title: str, held: Mapping[str, Any], size: int) -> dict[str, Any]:
    """A history apart from the file it comes from, of so many numbers."""

    def vector(key: str, value: Any, length: int) -> Vector:
        found = np.asarray(value).copy()
        if found.dtype not in FORMAT_OF or found.size != length:
            raise ValueError(
                f"{title}: the state {key!r} must hold arrays of {length} numbers, got "
                f"{found.dtype} of shape {found.shape}"
            )
        flat: Vector = found.reshape(-1)
        return flat

    made = dict(held)
    for key in ("d", "prev_flat_grad"):
        if held.get(key) is not None:
            made[key] = vector(key, held[key], size)
    for key in ("old_dirs", "old_stps"):
        made[key] = [vector(key, one, size) for one in held.get(key) or ()]
    made["ro"] = [vector("ro", one, 1)[0] for one in held.get("ro") or ()]
    if held.get("H_diag") is not None:
        made["H_diag"] = vector("H_diag", held["H_diag"], 1)[0]
    if not len(made["old_dirs"]) == len(made["old_stps"]) == len(made["ro"]):
        counts = ", ".join(str(len(made[key])) for key in ("old_dirs", "old_stps", "ro"))
        raise ValueError(
            f"{title}: the states 'old_dirs', 'old_stps' and 'ro' must be of one length, got "
            f"{counts}"
        )
    return made if held else {}
