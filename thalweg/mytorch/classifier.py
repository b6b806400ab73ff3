"""The lab's network and optimizers in mytorch, on NumPy alone."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from thalweg.mytorch import nn, no_grad, optim

__all__ = ["Classifier", "make_classifier", "make_optimizer", "use_threads"]


class Classifier:
    """A perceptron with ReLU between its layers, trained on cross-entropy."""

    def __init__(self, layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        modules: list[nn.Module] = []
        for weight, bias in layers:
            linear = nn.Linear(weight.shape[1], weight.shape[0])
            linear.load_state_dict({"weight": weight, "bias": bias})
            modules += [linear, nn.ReLU()]
        self._network = nn.Sequential(*modules[:-1])

    def parameters(self) -> Iterable[nn.Parameter]:
        return self._network.parameters()

    def backward(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Give the mean cross-entropy of a batch and leave fresh gradients behind."""
        self._network.zero_grad()
        with _no_warnings():
            loss = nn.functional.cross_entropy(self._network(images), labels)
            loss.backward()
        return loss.item()

    @no_grad()
    def logits(self, images: np.ndarray) -> np.ndarray:
        with _no_warnings():
            return self._network(images).numpy()


def make_classifier(layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> Classifier:
    """Build the network from each layer's weight (out, in) and bias, which are copied."""
    return Classifier(layers)


def make_optimizer(
    name: str, parameters: Iterable[nn.Parameter], **settings: Any
) -> optim.Optimizer:
    """Build the optimizer that `thalweg.mytorch.optim` has under this name."""
    return getattr(optim, name)(parameters, **settings)


def use_threads(count: int) -> None:
    """Let NumPy's matrix products and thalweg's kernels compute on this many threads."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(count)
    os.environ["OMP_NUM_THREADS"] = str(count)  # asked for by every step


def _no_warnings() -> np.errstate:
    """A training that diverges is a result; NumPy would warn of it."""
    return np.errstate(over="ignore", invalid="ignore")
