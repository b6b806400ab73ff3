"""L-BFGS: an optimizer that calls its closure as often as it needs to, over all parameters at once.

Its elementwise work is torch's. The two passes over the history, where its time goes, are kernels
of their own: many inner products at once, and one combination of many vectors.
"""

from __future__ import annotations

import functools
import operator
from array import array
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.fuse import cpu, threads
from thalweg.fuse.cpu_cache import compiled
from thalweg.fuse.storage import FORMATS
from thalweg.optim.base import BaseOptimizer
from thalweg.optim.line_search import Number, Point, strong_wolfe
from thalweg.optim.reach import PLAIN
from thalweg.settings import Setting

__all__ = ["LBFGS"]

Array = NDArray[np.float64]

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

# what is kept from one iteration to the next, besides the two counts
HISTORY = ("d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss", "al")


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
    Differs: as torch, the threshold 1e-10 and the first t (the papers have neither), and NaN
    in the loss or the gradient goes into the parameters. Unlike torch, all groups are one
    problem, in which a smaller lr makes a group's part of d shorter in proportion (if that leads
    uphill, the pairs are forgotten); a group added later starts the history anew; inner products
    are summed in double precision; a direction not followed is no s; and a closure that raises
    leaves the parameters where the last whole iteration put them.
    """

    _gram: _Gram | None = None

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

    def _check(self, settings: dict[str, Any]) -> None:
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

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group to the one problem that is solved; the history starts anew."""
        if self.param_groups and isinstance(param_group, dict):
            of_all = {name: self.param_groups[0][name] for name in OF_ALL}
            param_group = {**of_all, **param_group}
            self._check({**self.defaults, **param_group})
            for name, value in of_all.items():
                if param_group[name] != value:
                    raise ValueError(
                        f"LBFGS: {name} must be the same in all groups, for they are one "
                        f"problem; got {param_group[name]!r} beside {value!r}"
                    )
        super().add_param_group(param_group)
        for held in self.state.values():
            _restart(held)

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
        numbers = [number for group in loaded["param_groups"] for number in group["params"]]
        params = [p for group in self.param_groups for p in group["params"]]
        for number, p in zip(numbers[:1], params[:1], strict=True):
            for key, value in loaded["state"].get(number, {}).items():
                self.state[p][key] = _on_device(value, p.device)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take up to `max_iter` iterations; returns what the closure's first call returned.

        `closure` computes the gradients anew and returns the loss. It is called with gradients
        enabled, once for each point that is looked at.
        """
        with torch.no_grad():
            if closure is None:
                return self._prepare()
            return self._minimize(_Problem(self.param_groups, closure))

    def _prepare(self) -> None:
        """The step that torch's distributed checkpoints take at lr 0 along zeros, for the states.

        Nothing can move in it; any other step needs a closure.
        """
        problem = _Problem(self.param_groups)
        g = problem.gradient()
        if problem.rate or bool(g.any()):
            raise TypeError(
                "LBFGS: step needs a closure that computes the gradients anew and returns the "
                "loss, got None"
            )
        for p in problem.params[:1]:
            state = self.state[p]
            _begin(state, g)
            if state.get("d") is None:
                state.update(d=torch.zeros_like(g), t=0.0, H_diag=g.new_tensor(1.0))
                state.update(prev_flat_grad=g, prev_loss=0.0)

    @torch._disable_dynamo
    def _minimize(self, problem: _Problem) -> Any:
        f, g = problem.evaluate()
        first_loss = problem.loss
        if g.numel():
            state = self.state[problem.params[0]]
            _begin(state, g)
            try:
                self._iterate(problem, state, f, g)
            finally:
                state["func_evals"] += problem.evaluations
        return first_loss

    def _iterate(self, problem: _Problem, state: dict[str, Any], f: float, g: Tensor) -> None:
        h = self.param_groups[0]
        for i in range(int(h["max_iter"])):
            if _largest(g) <= h["tolerance_grad"]:
                return
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
            has_stalled = (
                longest * float(t) <= h["tolerance_change"]
                or abs(f - state["prev_loss"]) < h["tolerance_change"]
            )
            if problem.evaluations >= h["max_eval"] or has_stalled:
                return

    def _direction(
        self, problem: _Problem, state: dict[str, Any], g: Tensor, is_first: bool
    ) -> Tensor:
        """-H g, in each group in proportion to its lr."""
        d = _forget(state, g) if is_first else self._newton(state, g)
        if problem.scale(d) and g.dot(d) > -self.param_groups[0]["tolerance_change"]:
            d = _forget(state, g)
            problem.scale(d)
        return d

    def _newton(self, state: dict[str, Any], g: Tensor) -> Tensor:
        """-H g, after the last step has been taken into the history."""
        m = int(self.param_groups[0]["history_size"])
        d, t = state["d"], state["t"]
        s, y = d if t == 1 else d * t, g - state["prev_flat_grad"]
        gram = self._gram
        if gram is None or not gram.is_of(state["old_stps"], state["old_dirs"]):
            gram = self._gram = _Gram(state["old_stps"], state["old_dirs"])
        if y.dot(s) > LEAST_CURVATURE:
            gram.shrink(m - 1)
            with_s, with_y = _inner([*gram.s, s, *gram.y, y], g, y).reshape(2, -1, 2)
            gram.grow(s, y, with_s[:, 1], with_y[:, 1])
            ys, yy = with_s[-1, 1], with_y[-1, 1]
            state.update(
                old_stps=list(gram.s),
                old_dirs=list(gram.y),
                ro=[*state["ro"], g.new_tensor(float(1 / ys))][-m:],
                H_diag=g.new_tensor(float(ys / yy)),
            )
        else:
            with_s, with_y = _inner([*gram.s, *gram.y], g, g).reshape(2, -1, 2)
        gamma = float(state["H_diag"])
        alpha, c = gram.two_loops(with_s[:, 0], with_y[:, 0], gamma)
        state.setdefault("al", [None] * m)  # where torch writes its own alpha
        # in the order of the two loops, with their partial sums
        coefficients = np.concatenate((-gamma * alpha[::-1], c))
        return _combined(-gamma, g, coefficients, [*reversed(gram.y), *gram.s])


class _Problem:
    """The closure's loss as a function of one vector: all parameters, one behind the other."""

    loss: Any = None  # as the closure returned it
    evaluations = 0

    def __init__(
        self, groups: Sequence[dict[str, Any]], closure: Callable[[], Any] | None = None
    ) -> None:
        self._closure = closure
        self._sign = -1 if groups[0]["maximize"] else 1
        self.params = [p for group in groups for p in group["params"]]
        self._sizes = [_size(p) for p in self.params]
        self._groups = [
            (float(group["lr"]), sum(map(_size, group["params"])))
            for group in groups
            if group["params"]
        ]
        self.rate = max((rate for rate, _ in self._groups), default=0.0)

    def evaluate(self) -> tuple[float, Tensor]:
        """The loss and its gradient where the parameters are; to be minimized, so with a sign."""
        assert self._closure is not None
        with torch.enable_grad():
            self.loss = self._closure()
        self.evaluations += 1
        if self.loss is None:
            raise TypeError("LBFGS: the closure must return the loss, got None")
        loss = self.loss.detach() if isinstance(self.loss, Tensor) else self.loss
        return self._sign * float(loss), self.gradient()

    def gradient(self) -> Tensor:
        """A copy of all gradients, one behind the other; zeros where there is none."""
        if not self.params:
            return torch.zeros(0)
        g = torch.cat([_flat(p.grad, p) for p in self.params])
        return g.neg_() if self._sign < 0 else g

    def scale(self, d: Tensor) -> bool:
        """Shorten d in the groups whose lr is below the largest; says whether there are any."""
        rates = {rate for rate, _ in self._groups}
        if len(rates) < 2:
            return False
        sizes = [size for _, size in self._groups]
        for (rate, _), piece in zip(self._groups, d.split(sizes), strict=True):
            piece *= rate / self.rate
        return True

    def advance(self, t: Number, d: Tensor) -> None:
        """Move the parameters by t d from where they are."""
        self._place(self.params, t, d)

    def search(
        self, start: Point, t: Number, d: Tensor, longest: Tensor, tolerance: float, limit: int
    ) -> Point:
        """Move the parameters along d as far as the strong Wolfe conditions ask; say where to."""
        origin = [p.clone() for p in self.params]

        def at(t: Number) -> Point:
            self._place(origin, t, d)
            f, g = self.evaluate()
            return Point(t, f, g, g.dot(d))

        try:
            found = strong_wolfe(at, start, t, longest, tolerance, limit)
        except BaseException:
            for p, was in zip(self.params, origin, strict=True):
                p.copy_(was)
            raise
        self._place(origin, found.t, d)  # again, since a closure may have moved them
        return found

    def _place(self, origin: Sequence[Tensor], t: Number, d: Tensor) -> None:
        """Put the parameters t d away from a place."""
        for p, was, piece in zip(self.params, origin, d.split(self._sizes), strict=True):
            if p.is_complex():
                p, was = torch.view_as_real(p), torch.view_as_real(was)
            if _is_sharded(p):
                p.copy_(was).add_(_sharded_like(p, piece.view(p.shape)), alpha=float(t))
            else:
                torch.add(was, piece.view(p.shape), alpha=float(t), out=p)


class _Gram:
    """The pairs of the history with their inner products, which are never saved but measured.

    `sy[i, j]` is s_i.y_j for i <= j and has no meaning below; `yy[i, j]` is y_i.y_j.
    """

    def __init__(self, s: Sequence[Tensor], y: Sequence[Tensor]) -> None:
        self.s: list[Tensor] = []
        self.y: list[Tensor] = []
        self._versions: list[int] = []
        self._sy = self._yy = np.zeros((0, 0))
        for i in range(len(y)):
            with_s, with_y = _inner([*s[: i + 1], *y[: i + 1]], y[i], y[i]).reshape(2, i + 1, 2)
            self.grow(s[i], y[i], with_s[:, 1], with_y[:, 1])

    def is_of(self, s: Sequence[Tensor], y: Sequence[Tensor]) -> bool:
        """Whether these are the pairs, and nobody has written to them since."""
        return _same(self.s, s) and _same(self.y, y) and self._versions == self._seen()

    def _seen(self) -> list[int]:
        return [vector._version for vector in (*self.s, *self.y)]

    def grow(self, s: Tensor, y: Tensor, with_s: Array, with_y: Array) -> None:
        """Take one more pair, given the products of its y with every s and y, its own last."""
        self.s.append(s)
        self.y.append(y)
        self._versions = self._seen()
        last = len(self.s) - 1
        sy, yy = np.zeros((2, last + 1, last + 1))
        sy[:last, :last], yy[:last, :last] = self._sy, self._yy
        sy[:, last] = with_s
        yy[:, last] = yy[last, :] = with_y
        self._sy, self._yy = sy, yy

    def shrink(self, count: int) -> None:
        """Forget the oldest pairs, if there are more than so many."""
        first = max(len(self.s) - count, 0)
        self.s, self.y = self.s[first:], self.y[first:]
        self._versions = self._seen()
        self._sy, self._yy = self._sy[first:, first:], self._yy[first:, first:]

    def two_loops(self, sg: Array, yg: Array, gamma: float) -> tuple[Array, Array]:
        """Algorithm 7.4 on coefficients, from S'g and Y'g: two triangular systems.

        The first loop leaves q = -g - Y alpha, the second r = gamma q + S c, which is -H g. Line i
        of the first system says alpha_i = s_i.q / s_i.y_i, where q has the pairs after i taken
        off; of the second c_i = alpha_i - y_i.r / s_i.y_i, where r has those before i put on.
        """
        alpha = _solved(self._sy, -sg, upper=True)
        yq = -yg - self._yy @ alpha
        c = _solved(self._sy.T, self._sy.diagonal() * alpha - gamma * yq, upper=False)
        return alpha, c


def _same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return len(one) == len(other) and all(map(operator.is_, one, other))


def _solved(matrix: Array, right: Array, upper: bool) -> Array:
    """The solution of a triangular system; what lies in the other triangle is not read."""
    column = torch.from_numpy(right)[:, None]
    found = torch.linalg.solve_triangular(torch.from_numpy(matrix), column, upper=upper)
    return found[:, 0].numpy()


def _begin(state: dict[str, Any], g: Tensor) -> None:
    """Make the counts, or bring a history to the type and the device that the gradient has now."""
    for key in ("func_evals", "n_iter"):
        state.setdefault(key, 0)
    if state.get("d") is None:
        return
    for key in ("d", "prev_flat_grad"):
        state[key] = _brought_to(state[key], g)
    for key in ("old_dirs", "old_stps"):
        state[key] = [_brought_to(vector, g) for vector in state.get(key) or ()]
    state["ro"] = state.get("ro") or []


def _brought_to(vector: Tensor, g: Tensor) -> Tensor:
    if vector.numel() != g.numel():
        raise RuntimeError(
            f"LBFGS: the history is of {vector.numel()} numbers and the parameters have "
            f"{g.numel()}; state.clear() starts it anew"
        )
    return vector.to(g).contiguous()


def _forget(state: dict[str, Any], g: Tensor) -> Tensor:
    """Drop the pairs; returns the steepest descent, which is all that is left to know."""
    state.update(old_dirs=[], old_stps=[], ro=[], H_diag=g.new_tensor(1.0))
    return -g


def _restart(state: dict[str, Any]) -> None:
    """Make the next iteration a first one; the evaluations stay counted."""
    for key in HISTORY:
        state.pop(key, None)
    if "n_iter" in state:
        state["n_iter"] = 0


def _in_live_order(optimizer: torch.optim.Optimizer, given: dict[str, Any]) -> dict[str, Any]:
    """A state_dict with its history in the order of the live parameters, if both have names.

    Where they are not the same parameters, it is one without a history.
    """
    saved, live = given["param_groups"], optimizer.param_groups
    if not all(group.get("param_names") for group in (*saved, *live) if group["params"]):
        return given
    names, live_names = (
        [name for group in groups for name in group.get("param_names", ())]
        for groups in (saved, live)
    )
    numbers = [number for group in saved for number in group["params"]]
    if names == live_names or len(numbers) != len(names) or numbers[0] not in given["state"]:
        return given
    held = dict(given["state"][numbers[0]])
    if sorted(names) == sorted(live_names):
        sizes = [_size(p) for group in live for p in group["params"]]
        _reorder(held, names, dict(zip(live_names, sizes, strict=True)))
    else:
        _restart(held)
    number_of = dict(zip(names, numbers, strict=True))
    return {**given, "state": {number_of.get(live_names[0], numbers[0]): held}}


def _reorder(held: dict[str, Any], names: Sequence[str], sizes: dict[str, int]) -> None:
    """Bring the vectors of a history from the order of `names` into that of `sizes`."""

    def reordered(vector: Tensor) -> Tensor:
        pieces = vector.split([sizes[name] for name in names])
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


def _size(p: Tensor) -> int:
    """How many real numbers a parameter has."""
    return 2 * p.numel() if p.is_complex() else p.numel()


def _flat(grad: Any, p: Tensor) -> Tensor:
    """A gradient as a row of real numbers, in the order of its indices however it is laid out."""
    if grad is None:
        grad = torch.zeros(p.shape, dtype=p.dtype, device=p.device)
    if grad.layout != torch.strided:
        grad = grad.to_dense()
    if _is_sharded(grad):  # the history is kept whole on every rank
        grad = grad.full_tensor()
    if grad.is_complex():
        grad = torch.view_as_real(grad.resolve_conj().resolve_neg())
    return grad.reshape(-1)


def _sharded_like(p: Any, whole: Tensor) -> Tensor:
    """A tensor that every rank has, cut up as a parameter is."""
    from torch.distributed.tensor import DTensor, Replicate

    everywhere = DTensor.from_local(whole, p.device_mesh, [Replicate()] * p.device_mesh.ndim)
    return everywhere.redistribute(placements=p.placements)


def _is_sharded(tensor: Tensor) -> bool:
    """Whether it is a DTensor."""
    return type(tensor) not in PLAIN and hasattr(tensor, "full_tensor")


def _largest(vector: Tensor) -> Tensor:
    """max |v_i| without a copy of v; NaN if there is one."""
    low, high = torch.aminmax(vector)
    return torch.maximum(-low, high)


# The two passes over the history. Both compute in double precision whatever the vectors are in: the
# products are the matrices of triangular systems, and these magnify rounding errors.

_TILE = 1 << 16  # elements that a thread takes at once, of all rows in turn
_FORMATS = {getattr(torch, name): name for name in FORMATS}
_ABREAST = 4  # rows that are read together, so that what they meet is read once for all of them

_INNER = """# Made by thalweg: the inner products of every row with u and with v.
from thalweg.fuse.cpu_memory import add, claim, integer, load, put_double

streams = ("a", "b", "c", "d", "u", "v")
load_a, load_b, load_c, load_d, load_u, load_v = [
    load({format!r}, "float64", name, streams) for name in streams
]


def kernel(arguments):
    rows, count = integer(arguments, 0), integer(arguments, 1)
    length, tile, counter = integer(arguments, 2), integer(arguments, 3), integer(arguments, 4)
    u, v, sums = integer(arguments, 5), integer(arguments, 6), integer(arguments, 7)
    while True:
        task = claim(counter)
        first = task * tile
        if first >= length:
            break
        last = min(first + tile, length)
        for row in range(0, count, 4):
            a, b = integer(rows, row), integer(rows, row + 1)
            c, d = integer(rows, row + 2), integer(rows, row + 3)
            au = av = bu = bv = cu = cv = du = dv = 0.0
            for i in range(first, last):
                x, y = load_u(u, i), load_v(v, i)
                au, av = add(au, load_a(a, i) * x), add(av, load_a(a, i) * y)
                bu, bv = add(bu, load_b(b, i) * x), add(bv, load_b(b, i) * y)
                cu, cv = add(cu, load_c(c, i) * x), add(cv, load_c(c, i) * y)
                du, dv = add(du, load_d(d, i) * x), add(dv, load_d(d, i) * y)
            at = 2 * (task * count + row)
            put_double(sums, at, au)
            put_double(sums, at + 1, av)
            put_double(sums, at + 2, bu)
            put_double(sums, at + 3, bv)
            put_double(sums, at + 4, cu)
            put_double(sums, at + 5, cv)
            put_double(sums, at + 6, du)
            put_double(sums, at + 7, dv)
"""

# The tiles go backwards: where the pass before ended, the rows are still in the cache.
_COMBINED = """# Made by thalweg: k u, and every row times its coefficient, added up.
from thalweg.fuse.cpu_memory import claim, double, integer, load, store

streams = ("a", "b", "c", "d", "u", "out")
load_a, load_b, load_c, load_d, load_u, load_out = [
    load({format!r}, "float64", name, streams) for name in streams
]
store_out = store({format!r}, "float64", "out", streams)


def kernel(arguments):
    rows, count = integer(arguments, 0), integer(arguments, 1)
    length, tile, counter = integer(arguments, 2), integer(arguments, 3), integer(arguments, 4)
    u, out, coefficients = integer(arguments, 5), integer(arguments, 6), integer(arguments, 7)
    k = double(coefficients, count)
    while True:
        first = ((length - 1) // tile - claim(counter)) * tile
        if first < 0:
            break
        last = min(first + tile, length)
        for row in range(0, count, 4):
            a, b = integer(rows, row), integer(rows, row + 1)
            c, d = integer(rows, row + 2), integer(rows, row + 3)
            ka, kb = double(coefficients, row), double(coefficients, row + 1)
            kc, kd = double(coefficients, row + 2), double(coefficients, row + 3)
            if row == 0:
                for i in range(first, last):
                    sum = k * load_u(u, i) + ka * load_a(a, i) + kb * load_b(b, i)
                    store_out(out, i, sum + kc * load_c(c, i) + kd * load_d(d, i))
            else:
                for i in range(first, last):
                    sum = load_out(out, i) + ka * load_a(a, i) + kb * load_b(b, i)
                    store_out(out, i, sum + kc * load_c(c, i) + kd * load_d(d, i))
"""


def _inner(rows: Sequence[Tensor], u: Tensor, v: Tensor) -> Array:
    """The inner products of every row with u and with v, as doubles."""
    if not rows:
        return np.zeros((0, 2))
    if not _is_reachable(u):
        wide_u, wide_v = u.double(), v.double()
        found = [torch.stack((row @ wide_u, row @ wide_v)) for row in map(Tensor.double, rows)]
        return torch.stack(found).cpu().numpy()
    tiles, abreast = -(-u.numel() // _TILE), _padded(rows)
    sums = torch.empty((tiles, len(abreast), 2), dtype=torch.float64)
    _launch("inner_products", abreast, u.data_ptr(), v.data_ptr(), sums.data_ptr())
    return sums.sum(0)[: len(rows)].numpy()


def _combined(k: float, u: Tensor, coefficients: Array, rows: Sequence[Tensor]) -> Tensor:
    """k u, and every row times its coefficient, added up."""
    if not rows:
        return u * k
    if not _is_reachable(u):
        out = u * k
        for coefficient, row in zip(coefficients.tolist(), rows, strict=True):
            out.add_(row, alpha=coefficient)
        return out
    out, abreast = torch.empty_like(u), _padded(rows)
    factors = torch.zeros(len(abreast) + 1, dtype=torch.float64)
    factors[: len(rows)], factors[-1] = torch.from_numpy(coefficients), k
    _launch("combination", abreast, u.data_ptr(), out.data_ptr(), factors.data_ptr())
    return out


def _is_reachable(vector: Tensor) -> bool:
    """Whether a kernel may run over a vector of a history, and so over all of them."""
    is_plain = type(vector) is Tensor and vector.device.type == "cpu"
    return is_plain and _FORMATS.get(vector.dtype) in cpu.formats()


def _padded(rows: Sequence[Tensor]) -> list[Tensor]:
    return [*rows, *[rows[0]] * (-len(rows) % _ABREAST)]


def _launch(title: str, rows: Sequence[Tensor], *operands: int) -> None:
    length = rows[0].numel()
    addresses, counter = array("q", [row.data_ptr() for row in rows]), array("q", [0])
    table = _address(addresses), len(rows), length, _TILE, _address(counter), *operands
    arguments = array("q", table)
    kernel = _kernel(title, _FORMATS[rows[0].dtype])
    threads.run(kernel, _address(arguments), length * len(rows), torch.get_num_threads())


@functools.cache
def _kernel(title: str, format: str) -> Any:
    text = {"inner_products": _INNER, "combination": _COMBINED}[title]
    return compiled(text.format(format=format), title, 1)


def _address(numbers: array[int]) -> int:
    """Where they lie; they must outlive the use of the address."""
    return numbers.buffer_info()[0]
