"""What the processes that share tensors exchange, counted while somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Traffic", "note", "note_unseen", "traffic"]


@dataclass
class Traffic:
    """What one process has exchanged: how many collectives it has called, the bytes that it gave
    them, and the bytes of other processes that came back. `unseen` counts the parameters that torch
    stepped or gathered with operators of its own, whose bytes are not among these."""

    collectives: int = 0
    sent: int = 0
    received: int = 0
    unseen: int = 0


_open: list[Traffic] = []


@contextmanager
def traffic(*given: object) -> Iterator[Traffic]:
    """Counts what this process exchanges with others in the steps inside.

        with optim.traffic() as moved:
            opt.step()
        print(moved.collectives, moved.sent, moved.received)

    Of use where parameters are DTensors (FSDP2, tensor parallelism): elementwise rules exchange
    nothing, those that ask for sums some doubles, those on matrices the parts of each. Bytes are
    those of the tensors given to the collectives, padding included, and not what a network makes
    of them. See docs/sharded.md.
    """
    if given:
        raise TypeError(
            "traffic: it takes nothing, since it counts for all optimizers of the process: "
            f"`with optim.traffic() as moved:`, got {given[0]!r}"
        )
    made = Traffic()
    _open.append(made)
    try:
        yield made
    finally:
        _open[:] = [one for one in _open if one is not made]


def note(sent: int, received: int) -> None:
    """A collective is called with so many bytes, and brings so many of others."""
    for one in _open:
        one.collectives += 1
        one.sent += sent
        one.received += received


def note_unseen() -> None:
    """A parameter is stepped or gathered by torch's own operators."""
    for one in _open:
        one.unseen += 1
