"""What is timed on NumPy: our optimizers, and NumPy's own stream."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.lab.bench.shapes import GRADIENT_SCALE, Shape
from thalweg.mytorch.nn import Parameter

__all__ = ["Stream", "gradients_for", "parameters_with", "rivals"]

Array = NDArray[Any]


class Stream:
    """One flat `p += g` by NumPy: what memory gives when there is a single array and no rule."""

    def __init__(self, elements: int) -> None:
        self.p, self.g = np.ones(elements, np.float32), np.ones(elements, np.float32)

    def __call__(self) -> None:
        np.add(self.p, self.g, out=self.p)


def gradients_for(shapes: Sequence[Shape]) -> list[Array]:
    """Random gradients, the same on every run."""
    numbers = np.random.default_rng(0)
    return [
        numbers.standard_normal(shape, np.float32) * np.float32(GRADIENT_SCALE) for shape in shapes
    ]


def parameters_with(gradients: Sequence[Array]) -> list[Parameter]:
    """New parameters of ones that hold these gradients, not copies of them."""
    params = [Parameter(np.ones_like(grad)) for grad in gradients]
    for p, grad in zip(params, gradients, strict=True):
        p.grad = grad
    return params


def rivals(name: str, settings: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    """NumPy has no optimizers."""
    return {}
