"""Peers that are timed and not held to ours: they ask for a loss, draw at random or are another
form of the rule, so that two of them do not go the same way.

No package of the group has MuSGD or Dion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

import thalweg.optim
from tests.peers.packages import optimizer_at
from thalweg.lab.bench.on_torch.parameters import parameters_with

__all__ = ["MATRICES", "TIMED", "both"]

K = "pytorch_optimizer:"
_LOW = {"rank": 64, "update_proj_gap": 200, "scale": 1.0, "projection_type": "random"}

Params = list[torch.Tensor]
Step = Callable[[], Any]

# by name: the place of the other, what both are given, and what each alone
TIMED: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]] = {
    "AdaHessian": (K + "AdaHessian", {"lr": 1e-3}, {}, {}),
    "APOLLO": (K + "APOLLO", {"lr": 1e-3, "scale_type": "channel"}, {"rank": 64}, {}),
    "PSGDKron": (K + "Kron", {"lr": 1e-3}, {}, {}),
    "Ranger21": (K + "Ranger21", {"lr": 1e-3}, {}, {"num_iterations": 10_000}),
    "SAM": (
        K + "SAM",
        {"lr": 1e-3, "momentum": 0.9, "rho": 0.05},
        {},
        {"base_optimizer": torch.optim.SGD},
    ),
    "Scion": (K + "SCION", {"lr": 1e-3}, {}, {}),
    "Sophia": (K + "SophiaH", {"lr": 1e-4}, {}, {}),
}
MATRICES = frozenset({"APOLLO", "PSGDKron", "Scion"})


def both(name: str, gradients: Sequence[torch.Tensor]) -> tuple[Step, str, Step]:
    """A step of ours, the other's place, and a step of it, each behind its first."""
    place, shared, own, theirs = TIMED[name]
    steps: list[Step] = []
    for make, settings in (
        (getattr(thalweg.optim, name), {**shared, **own}),
        (optimizer_at(place), {**shared, **theirs}),
    ):
        params = parameters_with([g.clone() for g in gradients])
        is_theirs = len(steps) == 1
        groups = [{"params": params, **_LOW}] if name == "APOLLO" and is_theirs else params
        step = _stepped(name, make(groups, **settings), params, gradients, is_theirs)
        step()
        steps.append(step)
    return steps[0], place, steps[1]


def _stepped(
    name: str, optimizer: Any, params: Params, gradients: Sequence[torch.Tensor], is_theirs: bool
) -> Step:
    """One step as its users take it."""

    def closure() -> None:
        for p, g in zip(params, gradients, strict=True):
            p.grad = g

    def with_curvature() -> None:
        optimizer.zero_grad()
        sum((p**3).sum() for p in params).backward(create_graph=True)  # type: ignore[union-attr]
        optimizer.step()

    taken = 0

    def with_samples() -> None:
        nonlocal taken
        closure()
        if not is_theirs:
            optimizer.step(closure, sampled=closure)
        else:  # it would differentiate twice; what it is given here, ours has from its closure
            optimizer.step(hessian=list(gradients) if taken % 10 == 0 else None)
        taken += 1

    def plain() -> None:
        closure()
        optimizer.step()

    def twice() -> None:
        closure()
        optimizer.step(closure)

    found = {"AdaHessian": with_curvature, "Sophia": with_samples, "SAM": twice}
    return found.get(name, plain)
