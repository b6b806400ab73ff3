"""The two networks that come along, described without any framework, with their first weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from thalweg.lab.errors import UserError

__all__ = ["HIDDEN", "MODELS", "Layer", "cnn", "describe", "first_layers", "made_of", "mlp"]

MODELS = ("mlp", "cnn")

# Widths between input and output.
HIDDEN = (128, 64)

# Maps of each convolution, which is 3 by 3 and has half the size behind it.
_CHANNELS = (16, 32)
_KERNEL = 3


class Layer(NamedTuple):
    """One layer: `linear`, `conv`, `relu`, `pool` or `flatten`, and its weights if it has any."""

    kind: str
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None


def first_layers(model: str, shape: Sequence[int], outputs: int, seed: int) -> list[Layer]:
    """The layers of `mlp` or `cnn` for inputs of a shape; the same weights for the same seed."""
    random = np.random.default_rng([seed, 0])
    return mlp(shape, outputs, random) if model == "mlp" else cnn(shape, outputs, random)


def mlp(shape: Sequence[int], outputs: int, random: np.random.Generator) -> list[Layer]:
    """A perceptron with ReLU between its layers."""
    sizes = (int(np.prod(shape)), *HIDDEN, outputs)
    layers = [Layer("flatten")]
    for fan_in, fan_out in pairwise(sizes):
        layers += [_drawn("linear", (fan_out, fan_in), random), Layer("relu")]
    return layers[:-1]


def cnn(shape: Sequence[int], outputs: int, random: np.random.Generator) -> list[Layer]:
    """Two convolutions with ReLU, each halved by its largest, and a linear layer."""
    _check_images(shape)
    channels, height, width = shape
    layers = []
    for maps in _CHANNELS:
        layers += [_drawn("conv", (maps, channels, _KERNEL, _KERNEL), random), Layer("relu")]
        layers.append(Layer("pool"))
        channels, height, width = maps, height // 2, width // 2
    return [
        *layers,
        Layer("flatten"),
        _drawn("linear", (outputs, channels * height * width), random),
    ]


def describe(model: str, shape: Sequence[int], outputs: int) -> str:
    """A network in a few words."""
    if model == "mlp":
        return f"a {'-'.join(map(str, (int(np.prod(shape)), *HIDDEN, outputs)))} network"
    _check_images(shape)
    return f"a convolutional network of {' and '.join(map(str, _CHANNELS))} maps"


def _check_images(shape: Sequence[int]) -> None:
    smallest = 2 ** len(_CHANNELS)
    if len(shape) != 3 or min(shape[1:]) < smallest:
        raise UserError(
            f"--model cnn needs images of {smallest} by {smallest} or more, but an input has the "
            f"shape {tuple(shape)}; --model mlp takes any"
        )


def _drawn(kind: str, shape: tuple[int, ...], random: np.random.Generator) -> Layer:
    """Normal weights, as He et al. 2015 scale them, and a bias of zeros."""
    weight = random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
    return Layer(kind, weight, np.zeros(shape[0], np.float32))


def made_of(layers: Sequence[Layer], nn: Any, tensor: Callable[[np.ndarray], Any]) -> Any:
    """A model with copies of the layers' weights, of the modules that a framework has under torch's
    names; `tensor` makes what it takes of an array."""
    return nn.Sequential(*(_module(layer, nn, tensor) for layer in layers))


def _module(layer: Layer, nn: Any, tensor: Callable[[np.ndarray], Any]) -> Any:
    if layer.weight is None or layer.bias is None:
        plain = {"relu": nn.ReLU, "flatten": nn.Flatten, "pool": lambda: nn.MaxPool2d(2)}
        return plain[layer.kind]()
    outputs, inputs, *kernel = layer.weight.shape
    made = (
        nn.Linear(inputs, outputs)
        if layer.kind == "linear"
        else nn.Conv2d(inputs, outputs, kernel[0], padding=kernel[0] // 2)
    )
    made.load_state_dict({"weight": tensor(layer.weight), "bias": tensor(layer.bias)})
    return made
