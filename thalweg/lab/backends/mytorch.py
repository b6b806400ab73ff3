"""Trainings in mytorch, on NumPy alone."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from thalweg.chain import Chain
from thalweg.lab.errors import UserError
from thalweg.lab.frameworks import Score, held_bytes
from thalweg.lab.loading import is_place, load
from thalweg.lab.state_file import read_state, write_state
from thalweg.lab.tasks.drawn import draw_of
from thalweg.lab.tasks.layers import Layer, made_of
from thalweg.lab.tasks.task import Material
from thalweg.lab.whole_models import joined_by_adamw
from thalweg.mytorch import manual_seed, nn, optim
from thalweg.mytorch.evaluation import evaluate
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
    "read_state",
    "score",
    "seed",
    "use_threads",
    "write_state",
]


def build(layers: Sequence[Layer]) -> nn.Module:
    """A model with copies of the layers' weights."""
    made: nn.Module = made_of(layers, nn, np.asarray)
    return made


def loss_of(classes: int | None) -> Callable[[Any, Any], Any]:
    """Mean cross-entropy of classes, or the mean squared error of quantities."""
    loss: Callable[[Any, Any], Any] = nn.CrossEntropyLoss() if classes else nn.MSELoss()
    return loss


def accuracy(output: Any, target: Any) -> float:
    """The share of items whose largest output is that of their class."""
    return float(np.mean(output.numpy().argmax(axis=1) == np.asarray(target)))


def as_data(array: np.ndarray) -> np.ndarray:
    """An array as mytorch's models take it: as it is."""
    return array


def backward(material: Material, batch: Any, is_curved: bool = False) -> float:
    """Give the loss of a batch and leave fresh gradients behind: a curvature is of differences of
    such."""
    *inputs, target = batch
    material.model.zero_grad()
    loss = material.loss(material.model(*inputs), target)
    value: float = loss.item()
    with nullcontext() if math.isfinite(value) else _no_word_of_nan():
        loss.backward()
    return value


def backward_on_drawn(material: Material, batch: Any, random: np.random.Generator) -> float:
    """The same for targets drawn from the model's own predictions."""
    *inputs, _ = batch
    material.model.zero_grad()
    output = material.model(*inputs)
    own = getattr(material.loss, "sampled", None)
    target = own(output) if own else draw_of(material.loss)(output.numpy(), random)
    loss = material.loss(output, target)
    value: float = loss.item()
    with nullcontext() if math.isfinite(value) else _no_word_of_nan():
        loss.backward()
    return value


def score(material: Material, batches: Iterable[Any]) -> Score:
    """Look at a model, in evaluation mode and without gradients."""
    metrics = {} if material.metric is None else {"metric": material.metric}
    means = evaluate(material.model, material.loss, batches, metrics=metrics)
    return Score(means["loss"], means.get("metric"))


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
    return nn.Parameter(np.array(array))


def numbers(of: nn.Parameter) -> np.ndarray:
    """The numbers of a parameter, which may be the parameter's own."""
    return of.data


def put_gradient(of: nn.Parameter, gradient: np.ndarray) -> None:
    """Let a parameter have this gradient."""
    of.grad = gradient


def bytes_of(optimizer: Any) -> int:
    """How much memory an optimizer keeps besides the weights and their gradients."""
    return sum(map(held_bytes, getattr(optimizer, "state", {}).values()))


def seed(number: int) -> None:
    """Start mytorch's random numbers anew."""
    manual_seed(number)


def use_threads(count: int) -> None:
    """Let NumPy's matrix products and thalweg's kernels compute on this many threads."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(count)
    os.environ["OMP_NUM_THREADS"] = str(count)  # asked for by every step


@contextmanager
def _no_word_of_nan() -> Iterator[None]:
    """A training that diverges is a result here: the table says so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "backward: the loss is", RuntimeWarning)
        yield
