"""Trainings in torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import nn

from thalweg import optim
from thalweg.chain import Chain
from thalweg.lab.errors import UserError
from thalweg.lab.frameworks import Score, held_bytes
from thalweg.lab.loading import is_place, load
from thalweg.lab.tasks.drawn import draw_of
from thalweg.lab.tasks.layers import Layer, made_of
from thalweg.lab.tasks.task import Material
from thalweg.lab.whole_models import joined_by_adamw
from thalweg.rule import Rule

__all__ = [
    "accuracy",
    "as_data",
    "backward",
    "backward_on_drawn",
    "build",
    "bytes_of",
    "class_of",
    "loss_of",
    "numbers",
    "optimizer_class",
    "parameter",
    "put_gradient",
    "read_file",
    "read_state",
    "score",
    "seed",
    "use_threads",
    "write_state",
]


def build(layers: Sequence[Layer]) -> nn.Module:
    """A model with copies of the layers' weights."""
    made: nn.Module = made_of(layers, nn, torch.from_numpy)
    return made


def loss_of(classes: int | None) -> Callable[[Any, Any], Any]:
    """Mean cross-entropy of classes, or the mean squared error of quantities."""
    return nn.CrossEntropyLoss() if classes else nn.MSELoss()


def accuracy(output: Any, target: Any) -> float:
    """The share of items whose largest output is that of their class."""
    return float((output.argmax(dim=1) == target).double().mean())


def as_data(array: np.ndarray) -> torch.Tensor:
    """An array as torch's models take it."""
    return torch.from_numpy(np.ascontiguousarray(array))


def backward(material: Material, batch: Any, is_curved: bool = False) -> float:
    """Give the loss of a batch and leave fresh gradients behind; `is_curved`, with their graph."""
    inputs, target = _parts(material.model, batch)
    material.model.zero_grad()
    loss = material.loss(material.model(*inputs), target)
    if is_curved:
        with warnings.catch_warnings():  # of a cycle, which the next zero_grad breaks
            warnings.filterwarnings("ignore", "Using backward", UserWarning)
            torch.autograd.backward(loss, create_graph=True)
    else:
        torch.autograd.backward(loss)
    return float(loss.item())


def backward_on_drawn(material: Material, batch: Any, random: np.random.Generator) -> float:
    """The same for targets drawn from the model's own predictions."""
    inputs, _ = _parts(material.model, batch)
    material.model.zero_grad()
    output = material.model(*inputs)
    own = getattr(material.loss, "sampled", None)
    if own is None:
        plain = output.detach().to("cpu", torch.promote_types(output.dtype, torch.float32))
        drawn = torch.from_numpy(draw_of(material.loss)(plain.numpy(), random))
        kind = output.dtype if drawn.is_floating_point() else drawn.dtype
        target = drawn.to(output.device, kind)
    else:
        target = own(output.detach())
    loss = material.loss(output, target)
    torch.autograd.backward(loss)
    return float(loss.item())


def score(material: Material, batches: Iterable[Any]) -> Score:
    """Look at a model, in evaluation mode and without gradients."""
    count, loss, metric = 0, 0.0, 0.0
    with _looking(material.model):
        for batch in batches:
            inputs, target = _parts(material.model, batch)
            output = material.model(*inputs)
            items = len(target) if hasattr(target, "__len__") else 1
            loss += float(material.loss(output, target)) * items
            if material.metric is not None:
                metric += float(material.metric(output, target)) * items
            count += items
    if not count:
        raise ValueError("there is no batch to evaluate on")
    return Score(loss / count, None if material.metric is None else metric / count)


@contextmanager
def _looking(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def _parts(model: nn.Module, batch: Any) -> tuple[list[Any], Any]:
    """A batch's inputs and its target, where the model is."""
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        raise TypeError(
            "a batch must be a tuple whose last part is the target, got " + type(batch).__name__
        )
    place = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    *inputs, target = (one.to(place) if isinstance(one, torch.Tensor) else one for one in batch)
    return inputs, target


def optimizer_class(name: str) -> Callable[..., Any]:
    """What makes the optimizer of a specification's name out of parameters and settings."""
    whole = joined_by_adamw(name)
    if whole is not None:
        return optim.optimizer(whole)
    made = load(name, f"optimizer {name}") if is_place(name) else getattr(optim, name)
    return class_of(made, name)


def class_of(made: Any, name: str) -> Callable[..., Any]:
    """What makes an optimizer of a rule, of a chain, or of a class that is one already."""
    if isinstance(made, Chain) or (isinstance(made, type) and issubclass(made, Rule)):
        made = optim.optimizer(made)
    if not callable(made):
        raise UserError(f"optimizer {name}: it must be a rule, a chain or an optimizer class")
    found: Callable[..., Any] = made
    return found


def parameter(array: np.ndarray) -> nn.Parameter:
    """A parameter with a copy of these numbers, in their precision."""
    return nn.Parameter(torch.from_numpy(np.array(array)))


def numbers(of: nn.Parameter) -> np.ndarray:
    """The numbers of a parameter, which are the parameter's own."""
    found: np.ndarray = of.detach().numpy()
    return found


def put_gradient(of: nn.Parameter, gradient: np.ndarray) -> None:
    """Let a parameter have this gradient."""
    of.grad = torch.from_numpy(np.ascontiguousarray(gradient))


def bytes_of(optimizer: Any) -> int:
    """How much memory an optimizer keeps besides the weights and their gradients."""
    return sum(map(held_bytes, getattr(optimizer, "state", {}).values()))


def seed(number: int) -> None:
    """Start torch's random numbers anew."""
    torch.manual_seed(number)


def use_threads(count: int) -> None:
    """Let torch, and with it thalweg's kernels, compute on this many threads."""
    torch.set_num_threads(count)


def read_file(path: str) -> Any:
    """What `torch.save` has written, its tensors as arrays; nothing of the file is executed."""
    return _as_arrays(torch.load(path, map_location="cpu", weights_only=True))


def write_state(file: BinaryIO, value: Any) -> None:
    """Write a nest of tensors, numbers and words."""
    torch.save(value, file)


def read_state(file: BinaryIO) -> Any:
    """What was written; nothing of the file is executed."""
    return torch.load(file, map_location="cpu", weights_only=True)


def _as_arrays(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        plain = value.detach().to_dense() if value.is_sparse else value.detach()
        return (plain if plain.is_complex() else plain.double()).numpy()
    if isinstance(value, dict):
        return {key: _as_arrays(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_as_arrays, value))
    return value
