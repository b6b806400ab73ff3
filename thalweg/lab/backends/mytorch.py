"""The lab's network and optimizers in mytorch, on NumPy alone."""

import math
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
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
        loss = nn.functional.cross_entropy(self._network(images), labels)
        value: float = loss.item()
        with _no_word_of_nan() if math.isnan(value) else nullcontext():
            loss.backward()
        return value

    @no_grad()
    def logits(self, images: np.ndarray) -> np.ndarray:
        result: np.ndarray = self._network(images).numpy()
        return result


def make_classifier(layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> Classifier:
    """Build the network from each layer's weight (out, in) and bias, which are copied."""
    return Classifier(layers)


def make_optimizer(
    name: str, parameters: Iterable[nn.Parameter], **settings: Any
) -> optim.Optimizer:
    """Build the optimizer that `thalweg.mytorch.optim` has under this name."""
    made: optim.Optimizer = getattr(optim, name)(parameters, **settings)
    return made


def use_threads(count: int) -> None:
    """Let NumPy's matrix products and thalweg's kernels compute on this many threads."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(count)
    os.environ["OMP_NUM_THREADS"] = str(count)  # asked for by every step


@contextmanager
def _no_word_of_nan() -> Iterator[None]:
    """A training that diverges is a result here: the table says so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "backward: the loss is NaN", RuntimeWarning)
        yield
