"""A closure's loss as a function of one vector: all parameters, one behind the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.lbfgs.line_search import Point
from thalweg.lbfgs.vectors import Number
from thalweg.optim.memory.reach import as_complex_as
from thalweg.optim.memory.sharded import cut_like, is_sharded
from thalweg.optim.memory.traffic import note_unseen

__all__ = ["Objective", "size_of"]


class Objective:
    """The closure's loss as a function of one vector: all parameters, one behind the other."""

    loss: Any = None  # as the closure returned it
    evaluations = 0

    def __init__(
        self, groups: Sequence[dict[str, Any]], closure: Callable[[], Any] | None = None
    ) -> None:
        self._closure = closure
        self._sign = -1 if groups[0]["maximize"] else 1
        self.params = [p for group in groups for p in group["params"]]
        self._sizes = [size_of(p) for p in self.params]
        self._groups = [
            (float(group["lr"]), sum(map(size_of, group["params"])))
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
        for (rate, _), piece in zip(self._groups, torch.split(d, sizes), strict=True):
            piece *= rate / self.rate
        return True

    def advance(self, t: Number, d: Tensor) -> None:
        """Move the parameters by t d from where they are."""
        self._place(self.params, t, d)

    def along(self, d: Tensor, search: Callable[[Callable[[Number], Any]], Point]) -> Point:
        """Let `search` look for a length, with a function that evaluates the loss and its gradient
        at one; move the parameters to the point it finds, or back if it fails."""
        origin = [p.clone() for p in self.params]

        def at(t: Number) -> tuple[float, Tensor]:
            self._place(origin, t, d)
            return self.evaluate()

        try:
            found = search(at)
        except BaseException:
            for p, was in zip(self.params, origin, strict=True):
                p.copy_(was)
            raise
        self._place(origin, found.t, d)  # again, since a closure may have moved them
        return found

    def _place(self, origin: Sequence[Tensor], t: Number, d: Tensor) -> None:
        """Put the parameters t d away from a place."""
        for p, was, piece in zip(self.params, origin, torch.split(d, self._sizes), strict=True):
            if p.is_complex():
                p, was = torch.view_as_real(p), torch.view_as_real(was)
            if is_sharded(p):
                p.copy_(was).add_(cut_like(p, piece.view(p.shape)), alpha=float(t))
            else:
                torch.add(was, piece.view(p.shape), alpha=float(t), out=p)


def size_of(p: Tensor) -> int:
    """How many real numbers a parameter has."""
    return 2 * p.numel() if p.is_complex() else p.numel()


def _flat(grad: Any, p: Tensor) -> Tensor:
    """A gradient as a row of real numbers, in the order of its indices however it is laid out."""
    if grad is None:
        grad = torch.zeros(p.shape, dtype=p.dtype, device=p.device)
    grad = as_complex_as("LBFGS", p, grad)
    if grad.layout != torch.strided:
        grad = grad.to_dense()
    if is_sharded(grad):  # the history is kept whole on every rank
        note_unseen()
        grad = grad.full_tensor()
    if grad.is_complex():
        grad = torch.view_as_real(grad.resolve_conj().resolve_neg())
    result: Tensor = grad.reshape(-1)
    return result
