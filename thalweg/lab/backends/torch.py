"""The lab's network and optimizers in torch."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from thalweg import optim

__all__ = ["Classifier", "make_classifier", "make_optimizer", "use_threads"]


class Classifier:
    """A perceptron with ReLU between its layers, trained on cross-entropy."""

    def __init__(self, layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        modules: list[nn.Module] = []
        for weight, bias in layers:
            linear = nn.Linear(weight.shape[1], weight.shape[0])
            linear.load_state_dict(
                {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
            )
            modules += [linear, nn.ReLU()]
        self._network = nn.Sequential(*modules[:-1])

    def parameters(self) -> Iterable[nn.Parameter]:
        return self._network.parameters()

    def backward(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Give the mean cross-entropy of a batch and leave fresh gradients behind."""
        self._network.zero_grad()
        logits = self._network(torch.from_numpy(images))
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(labels))
        torch.autograd.backward(loss)
        return loss.item()

    @torch.no_grad()
    def logits(self, images: np.ndarray) -> np.ndarray:
        result: np.ndarray = self._network(torch.from_numpy(images)).numpy()
        return result


def make_classifier(layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> Classifier:
    """Build the network from each layer's weight (out, in) and bias, which are copied."""
    return Classifier(layers)


def make_optimizer(
    name: str, parameters: Iterable[nn.Parameter], **settings: Any
) -> optim.FusedOptimizer:
    """Build the optimizer that `thalweg.optim` has under this name."""
    made: optim.FusedOptimizer = getattr(optim, name)(parameters, **settings)
    return made


def use_threads(count: int) -> None:
    """Let torch, and with it thalweg's kernels, compute on this many threads."""
    torch.set_num_threads(count)
