"""Adafactor: vectors by the fused pass, matrices by their rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thalweg.border.constructor import by_keyword
from thalweg.border.groups import Lot, check_filter, lots
from thalweg.chain import chain
from thalweg.fuse.whole import Deed, take
from thalweg.optim.base import BaseOptimizer
from thalweg.optim.checks import check_ranges, refuse
from thalweg.optim.matrices.factored import Factored
from thalweg.optim.matrices.inner_rules import AdafactorStep
from thalweg.optim.memory.layout import TensorLayout
from thalweg.optim.memory.seen import Seen, look
from thalweg.optim.memory.states import NewStates, as_they_are, cell_of, cell_type
from thalweg.optim.traced import is_watched
from thalweg.stages import Maximize

__all__ = ["Adafactor"]


STEP = chain("Adafactor", Maximize, AdafactorStep)

# what torch's own tests look for in an error
WORDS = {
    "lr": "Learning rate should be >= 0 but is: {}",
    "d": "Clipping threshold d should be >= 1 but is: {}",
    "beta2_decay": "beta2_decay should be <= 0 but is: {}",
    "eps[0]": "epsilon1 should be >= 0 but is: {}",
    "eps[1]": "epsilon2 should be >= 0 but is: {}",
    "weight_decay": "weight_decay should be >= 0 but is: {}",
}


class Adafactor(BaseOptimizer, torch.optim.Adafactor):
    """Adafactor: Adam's scaling in hardly any memory.

    Of a matrix it keeps the mean square of each row and of each column instead of each
    element, and its step is in proportion to the weights. For models whose moments
    would not fit, and for fine-tuning what was trained with it.

        row   <- row + w (mean of g^2 along the row - row),          w = t^beta2_decay
        col   <- col + w (mean of g^2 along the column - col)
        v      = row col / max(mean of row, eps1)                    of a matrix
        v     <- v + w (g^2 - v)                                     of a vector
        u      = g / max(sqrt(v), eps1)
        alpha  = max(eps2, RMS(p)) min(lr, 1 / sqrt(t))
        p     <- p - lr weight_decay p - alpha u / max(1, RMS(u) / d)

    Paper: Shazeer and Stern 2018, arXiv:1804.04235, Algorithms 4 and 5.
    Differs: as torch, eps1 is a lower bound where the paper adds it to g^2, lr stands for the
    paper's 0.01, and the decay is not in the paper. Not as torch, eps1=None is the precision of
    each parameter's own type (torch: of the first one's in the group, for all of them), an eps1
    whose square is too small for its type still counts, and empty parameters are allowed. By
    position the order is torch's; that of transformers is (params, lr, eps, clip_threshold, ...).
    """

    # what the last step found, for the next one; not part of a copy
    _vectors: TensorLayout | None
    _matrices: Factored | None

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        decay_filter: str | Callable[[str, Tensor], bool] | None = None,
    ) -> None:
        settings = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "decay_filter": decay_filter,
        }
        self._check(settings)
        super().__init__(params, settings)

    def _begin(self) -> None:
        super()._begin()
        self._vectors = self._matrices = None

    def _check(self, settings: Mapping[str, Any]) -> None:
        eps = settings.get("eps")
        if isinstance(eps, tuple | list) and len(eps) == 2 and eps[0] is None:
            settings = {**settings, "eps": (0.0, eps[1])}
        # a pair in its place comes from the order of another library
        is_pair = isinstance(settings.get("beta2_decay"), tuple | list)
        with by_keyword("Adafactor", ("beta2_decay", "eps", "d", "weight_decay")[: 4 * is_pair]):
            check_ranges("Adafactor", STEP.settings, settings, WORDS)
        check_filter("Adafactor", settings.get("decay_filter"))

    def _complete(self, group: dict[str, Any]) -> None:
        group.setdefault("foreach", None)
        group.setdefault("maximize", False)
        group.setdefault("decay_filter", None)

    def _wanted(
        self, p: Tensor, group: Mapping[str, Any]
    ) -> tuple[Mapping[str, Sequence[int]], Collection[str]]:
        shapes = _shapes(p)
        return shapes, [*shapes, "step"]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for held in self.state.values():
            if "step" in held and not isinstance(held["step"], Tensor):  # as old checkpoints have
                held["step"] = cell_of(float(held["step"]), cell_type(fused=False))

    @torch.no_grad()
    def _update(self) -> None:
        if is_watched():
            self._vectors = self._matrices = None
        all_lots = self._lots()
        undo: list[Deed] = []

        def deeds() -> list[Deed]:
            return [*self._deeds(all_lots, look(all_lots).rounds(), undo), self._turn.note]

        take(deeds, partial(_take_back, undo))

    def _deeds(
        self, all_lots: Sequence[Lot], rounds: Sequence[Seen], undo: list[Deed]
    ) -> list[Deed]:
        """The first of these rounds; the next is laid out when it has moved."""
        deeds = self._round(all_lots, rounds[0], undo) if rounds else []
        if rounds[1:]:
            deeds += [partial(self._next, all_lots, rounds[1:]), self._forget]
        return deeds

    def _next(self, all_lots: Sequence[Lot], rounds: Sequence[Seen]) -> list[Deed]:
        undo: list[Deed] = []
        try:
            return self._deeds(all_lots, rounds, undo)
        except BaseException:  # it is asked again
            _take_back(undo)
            raise

    def _forget(self) -> None:
        self._vectors = self._matrices = None

    def _lots(self) -> list[Lot]:
        """The groups, cut by the types of their parameters where eps1 depends on them."""
        found = []
        for lot in lots("Adafactor", self.param_groups):
            try:
                eps1, eps2 = lot.group["eps"]
            except (TypeError, ValueError):
                self._check({**self.defaults, **lot.group})  # says what is wrong
                raise
            if eps1 is not None:
                found.append(lot)
                continue
            for dtype in dict.fromkeys(p.dtype for p in lot.params):
                params = [p for p in lot.params if p.dtype == dtype]
                group = {**lot.group, "eps": (_precision(dtype), eps2)}
                found.append(Lot(group, params, lot.spared))
        return found

    def _round(self, all_lots: Sequence[Lot], seen: Seen, undo: list[Deed]) -> list[Deed]:
        """What steps parameters of which none comes twice."""
        vectors, matrices = _by_axes(seen)
        views, factored = (
            [STEP.views({**lot.group, "factored": one, "r": 1.0}, lot.spared) for lot in all_lots]
            for one in (False, True)
        )
        layout, found = self._vectors, self._matrices
        if layout is None or not layout.fits(vectors, views, self.state):
            layout = None
        if found is None or not found.fits(matrices, factored, self.state):
            found = None
        if layout is None or found is None:
            refuse("Adafactor", seen.params, seen.grads)
            undo += [self._forget, as_they_are(self.state, seen.params)]
            self._make_states(seen)
        if found is None:
            found = Factored(STEP, matrices, factored, self.state)
        if layout is None:
            new = NewStates({})
            layout = TensorLayout(STEP, vectors, all_lots, views, self.state, new, False)
        deeds = layout.prepare(views) + found.prepare(factored, torch.get_num_threads())
        # a layout may cease to be reusable while it is prepared
        self._vectors, self._matrices = layout if layout.reusable else None, found
        return deeds

    def _make_states(self, seen: Seen) -> None:
        """Make the states of matrices; those of vectors only get their place in the order."""
        for p in seen.params:
            held = self.state[p]
            if p.dim() < 2:
                continue
            if "step" not in held:
                held["step"] = cell_of(0.0, cell_type(fused=False))
            for key, shape in _shapes(p).items():
                if key not in held:
                    held[key] = p.new_zeros(shape)
                if tuple(held[key].shape) != shape:
                    raise RuntimeError(
                        f"Adafactor: the state {key!r} of a parameter of shape {tuple(p.shape)} "
                        f"must have the shape {shape}, got {tuple(held[key].shape)}"
                    )


def _take_back(undo: Sequence[Deed]) -> None:
    for one in undo:
        one()


def _shapes(p: Tensor) -> dict[str, tuple[int, ...]]:
    """The shape of each array that a parameter keeps."""
    if p.dim() < 2:
        return {"variance": tuple(p.shape)}
    return {"row_var": (*p.shape[:-1], 1), "col_var": (*p.shape[:-2], 1, p.shape[-1])}


def _precision(dtype: torch.dtype) -> float:
    """What eps1=None stands for."""
    return torch.finfo(dtype).eps if dtype.is_floating_point else 0.0


def _by_axes(seen: Seen) -> tuple[Seen, Seen]:
    """The parameters of up to one axis, and those of more."""
    is_matrix = np.array([p.dim() > 1 for p in seen.params], bool)
    lot_of = np.array(seen.lots(), np.int64)
    halves = []
    for chosen in (np.flatnonzero(~is_matrix), np.flatnonzero(is_matrix)):
        sizes = np.bincount(lot_of[chosen], minlength=len(seen.sizes)).tolist()
        params, grads = ([of[i] for i in chosen.tolist()] for of in (seen.params, seen.grads))
        halves.append(Seen(params, grads, sizes))
    return halves[0], halves[1]
