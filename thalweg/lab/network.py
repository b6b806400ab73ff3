"""The network that every optimizer trains, described without any framework."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, Protocol, cast

import numpy as np

from thalweg.lab.digits import CLASSES, PIXELS
from thalweg.lab.errors import UserError

__all__ = [
    "BACKENDS",
    "SIZES",
    "Backend",
    "Classifier",
    "Layer",
    "Optimizer",
    "initial_layers",
    "load_backend",
]

SIZES = (PIXELS, 128, 64, CLASSES)

Layer = tuple[np.ndarray, np.ndarray]

BACKENDS = {name: f"thalweg.lab.backends.{name}" for name in ("mytorch", "torch")}


class Optimizer(Protocol):
    """What training asks of an optimizer."""

    def step(self) -> Any: ...

    def evaluation(self) -> AbstractContextManager[None]:
        """Put the weights to look at into the network for the length of a `with` block."""
        ...


class Classifier(Protocol):
    """A perceptron with ReLU between its layers, in some framework."""

    def parameters(self) -> Iterable[Any]: ...

    def backward(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Give the mean cross-entropy of a batch and leave fresh gradients behind."""
        ...

    def logits(self, images: np.ndarray) -> np.ndarray: ...


class Backend(Protocol):
    """A module that brings a framework to the lab."""

    def make_classifier(self, layers: Sequence[Layer]) -> Classifier: ...

    def make_optimizer(
        self, name: str, parameters: Iterable[Any], **settings: Any
    ) -> Optimizer: ...

    def use_threads(self, count: int) -> None: ...


def load_backend(name: str) -> Backend:
    """Import the module that brings the framework called name; mytorch is always there."""
    if name not in BACKENDS:
        raise UserError(f"--backend must be {' or '.join(BACKENDS)}, got {name!r}")
    if name == "torch" and find_spec("torch") is None:
        raise UserError("--backend torch needs torch: pip install 'thalweg[torch]'")
    return cast(Backend, import_module(BACKENDS[name]))


def initial_layers(seed: int) -> list[Layer]:
    """Draw a weight (out, in) and a bias for each layer: normal, as He et al. 2015 scale it."""
    random = np.random.default_rng([seed, 0])
    return [
        (
            random.normal(0, np.sqrt(2 / fan_in), (fan_out, fan_in)).astype(np.float32),
            np.zeros(fan_out, np.float32),
        )
        for fan_in, fan_out in pairwise(SIZES)
    ]
