"""One row of the table: an optimizer of ours beside another package's, under the same settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

import thalweg.optim
from tests.peers.packages import optimizer_at

__all__ = ["SHAPES", "STEPS", "Row", "farthest", "path"]

Shape = tuple[int, ...]
Make = Callable[[list[torch.Tensor]], Any]

STEPS = 50
SHAPES: tuple[Shape, ...] = ((7,), (5, 4), (3, 2, 2, 2))

PULL = 0.3  # of every weight towards zero, so that a step that differs shows in later gradients


@dataclass(frozen=True)
class Row:
    """Our optimizer and another package's, and the settings that make them one rule.

    `settings` are those that both call alike, `ours` and `theirs` what they call differently. Where
    the other one wants its parameters in a group with more keys, `group` has them, and where it
    goes by their names, `named` is what they are called.
    `differs` says what the other package computes instead, where it is no oracle: then it is held
    to be another, and `from_step` is the first step at which it is.
    """

    name: str
    place: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    ours: Mapping[str, Any] = field(default_factory=dict)
    theirs: Mapping[str, Any] = field(default_factory=dict)
    shapes: Sequence[Shape] = SHAPES
    tolerance: float = 1e-10
    group: Mapping[str, Any] = field(default_factory=dict)
    named: str = ""
    differs: str = ""
    from_step: int = 1

    def __str__(self) -> str:
        flags = {**self.settings, **self.ours}
        return "-".join([self.name, self.place, *(f"{k}={v}" for k, v in flags.items())])

    def make_ours(self, params: list[torch.Tensor]) -> Any:
        return getattr(thalweg.optim, self.name)(params, **self.settings, **self.ours)

    def make_theirs(self, params: list[torch.Tensor]) -> Any:
        make, settings = optimizer_at(self.place), {**self.settings, **self.theirs}
        if self.named:
            return make([(f"{self.named}.{i}", p) for i, p in enumerate(params)], **settings)
        return make([{"params": params, **self.group}] if self.group else params, **settings)


def path(
    make: Make, shapes: Sequence[Shape], steps: int = STEPS, late: int = 0
) -> list[list[torch.Tensor]]:
    """Where an optimizer's tensors are before the first step and behind each, in float64, which
    is the default type too: some packages keep numbers in that.

    The last tensor has its first gradient `late` steps after the others.
    """
    with doubles():
        return _path(make, shapes, steps, late)


@contextmanager
def doubles() -> Iterator[None]:
    """float64 as torch's default type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _path(make: Make, shapes: Sequence[Shape], steps: int, late: int) -> list[list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(7)

    def drawn(shape: Shape) -> torch.Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    params = [drawn(shape).requires_grad_() for shape in shapes]
    optimizer = make(params)
    if hasattr(optimizer, "train"):  # Schedule-Free's weights to look at are others
        optimizer.train()
    places = [[p.detach().clone() for p in params]]
    for t in range(steps):
        for p in params:
            p.grad = drawn(p.shape) + PULL * p.detach()
        if t < late:
            params[-1].grad = None
        optimizer.step()
        places.append([p.detach().clone() for p in params])
    return places


def farthest(one: list[torch.Tensor], two: list[torch.Tensor]) -> float:
    """The largest difference of two places."""
    return max(float((a - b).abs().max()) for a, b in zip(one, two, strict=True))
