"""What really went through torch's collectives in a step, beside what was counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import distributed

import thalweg.optim as optim
from tests.optim import shards


@contextmanager
def _written_down() -> Iterator[list[tuple[int, int]]]:
    """The bytes given and got of each collective that is called inside."""
    found: list[tuple[int, int]] = []
    reduce, gather = distributed.all_reduce, distributed.all_gather_into_tensor

    def all_reduce(tensor: Any, **more: Any) -> Any:
        found.append((tensor.nbytes, tensor.nbytes))
        return reduce(tensor, **more)

    def all_gather(came: Any, sent: Any, **more: Any) -> Any:
        found.append((sent.nbytes, came.nbytes - sent.nbytes))
        return gather(came, sent, **more)

    distributed.all_reduce, distributed.all_gather_into_tensor = all_reduce, all_gather
    try:
        yield found
    finally:
        distributed.all_reduce, distributed.all_gather_into_tensor = reduce, gather


def _seen_by_torch(events: Any) -> int:
    """The collectives among what a profile saw, under whichever name torch calls gloo's."""
    return sum(one.count for one in events if one.key.startswith("gloo:"))


@torch.no_grad()
def counted(name: str, way: str) -> dict[str, Any]:
    """One step after two others: what was counted, what was called, what torch saw."""
    opt = shards.optimizer(name, shards.parameters(name, way))
    shards.walk(opt, way, 2)
    on_cpu = [torch.profiler.ProfilerActivity.CPU]
    with (
        torch.profiler.profile(activities=on_cpu) as profile,
        _written_down() as calls,
        optim.traffic() as moved,
    ):
        opt.step()
    shards.walk(opt, way, 1, 3)  # which nobody counts
    return {
        "moved": (moved.collectives, moved.sent, moved.received, moved.unseen),
        "calls": (len(calls), sum(a for a, _ in calls), sum(b for _, b in calls)),
        "torch": _seen_by_torch(profile.key_averages()),
    }
