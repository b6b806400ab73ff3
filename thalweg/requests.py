"""What an `update` may ask of whoever takes the step: the gradient at other weights, the curvature
along a direction, numbers drawn at random."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

__all__ = ["REQUESTS", "curvature", "drawn", "gradient", "noise"]

# how many arguments each takes, and what they tell
REQUESTS = {
    "curvature": ((1,), "along what"),
    "gradient": ((1, 2), "where, and of which loss"),
    "noise": ((2,), "its seed and the number of the draw"),
}


def gradient(at: Any, of: str = "loss") -> NoReturn:
    """The gradient of the loss with the weights at `at`: the step's closure is called once more.

    Another loss than the one that is minimized has a name, by which `step` is given its closure.
    """
    raise RuntimeError(f"gradient({of!r}) is answered by an optimizer that takes the step")


def curvature(along: Any) -> NoReturn:
    """The Hessian of the loss, times `along`, which has one number per element.

    torch differentiates the gradients that are there (`loss.backward(create_graph=True)`); mytorch
    takes the difference of the gradients on both sides, for which a step needs its closure.
    """
    raise RuntimeError("curvature is answered by an optimizer that takes the step")


def noise(seed: float, t: float) -> NoReturn:
    """One number per element, drawn from the standard normal distribution.

    The same seed and draw give the same numbers at every border and in a run that goes on from a
    file: `noise(seed, t)` is new at each step, `noise(seed, t // 200)` at each 200th.
    """
    raise RuntimeError("noise is drawn by an optimizer that takes the step")


def drawn(
    seed: float, t: float, place: int, which: str, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """What `noise(seed, t)` is, for the parameter at that place of its optimizer; `which` keeps
    the places of a text apart."""
    words = int.from_bytes(which.encode(), "little") % (1 << 64)
    key = [int(seed) % (1 << 64), int(t) % (1 << 64)]
    source = np.random.Philox(key=np.array(key, np.uint64), counter=[0, 0, place, words])
    return np.random.Generator(source).standard_normal(shape)
