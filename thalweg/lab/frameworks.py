"""The frameworks that a training may run in, each brought by a module of `thalweg.lab.backends`."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

import numpy as np

from thalweg.lab.errors import UserError
from thalweg.lab.tasks.layers import Layer
from thalweg.lab.tasks.task import Material

__all__ = ["BACKENDS", "Backend", "Score", "framework_of", "held_bytes", "load_backend", "seed_all"]

BACKENDS = {name: f"thalweg.lab.backends.{name}" for name in ("mytorch", "torch")}


class Score(NamedTuple):
    """Means over all items of some batches; the metric is None where a task has none."""

    loss: float
    metric: float | None


class Backend(Protocol):
    """What a module brings so that the lab can train in its framework."""

    def build(self, layers: Sequence[Layer]) -> Any:
        """A model with copies of the layers' weights."""
        ...

    def loss_of(self, classes: int | None) -> Callable[[Any, Any], Any]:
        """Mean cross-entropy of classes, or the mean squared error of quantities."""
        ...

    def accuracy(self, output: Any, target: Any) -> float: ...

    def as_data(self, array: np.ndarray) -> Any:
        """An array as the framework's models take it."""
        ...

    def backward(self, material: Material, batch: Any, is_curved: bool = False) -> float:
        """Give the loss of a batch and leave fresh gradients behind; `is_curved`, such as tell
        the framework's optimizers the curvature too."""
        ...

    def backward_on_drawn(
        self, material: Material, batch: Any, random: np.random.Generator
    ) -> float:
        """The same for targets drawn from the model's own predictions."""
        ...

    def score(self, material: Material, batches: Iterable[Any]) -> Score:
        """Look at a model, in evaluation mode and without gradients."""
        ...

    def optimizer_class(self, name: str) -> Callable[..., Any]:
        """What makes the optimizer of a specification's name out of parameters and settings."""
        ...

    def class_of(self, made: Any, name: str) -> Callable[..., Any]:
        """What makes an optimizer of a rule, of a chain, or of a class that is one already."""
        ...

    def parameter(self, array: np.ndarray) -> Any:
        """A parameter with a copy of these numbers, in their precision."""
        ...

    def numbers(self, of: Any) -> np.ndarray:
        """The numbers of a parameter, which may be the parameter's own."""
        ...

    def put_gradient(self, of: Any, gradient: np.ndarray) -> None:
        """Let a parameter have this gradient."""
        ...

    def bytes_of(self, optimizer: Any) -> int:
        """How much memory an optimizer keeps besides the weights and their gradients."""
        ...

    def write_state(self, file: BinaryIO, value: Any) -> None:
        """Write a nest of the framework's arrays, numbers and words."""
        ...

    def read_state(self, file: BinaryIO) -> Any:
        """What was written, equal in every bit; nothing of the file is executed."""
        ...

    def seed(self, number: int) -> None: ...

    def use_threads(self, count: int) -> None: ...


def load_backend(name: str) -> Backend:
    """Import the module that brings the framework called name; mytorch is always there."""
    if name not in BACKENDS:
        raise UserError(f"--backend must be {' or '.join(BACKENDS)}, got {name!r}")
    if name == "torch" and find_spec("torch") is None:
        raise UserError("--backend torch needs torch: pip install 'thalweg[torch]'")
    return cast(Backend, import_module(BACKENDS[name]))


def framework_of(model: Any) -> str | None:
    """The framework whose Module a model is."""
    bases = {(base.__module__, base.__name__) for base in type(model).__mro__}
    homes = {"torch": "torch.nn.modules.module", "mytorch": "thalweg.mytorch.nn.module"}
    return next((name for name, home in homes.items() if (home, "Module") in bases), None)


def seed_all(*numbers: int) -> None:
    """Start the random numbers of Python, NumPy and every framework that is loaded anew."""
    number = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    random.seed(number)
    np.random.seed(number)  # what a user's task may draw from
    for name in BACKENDS:
        if name == "mytorch" or name in sys.modules:
            load_backend(name).seed(number)


def held_bytes(value: Any) -> int:
    """The bytes of all arrays or tensors in nested dicts and lists."""
    if isinstance(value, Mapping):
        return sum(map(held_bytes, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(held_bytes, value))
    return int(getattr(value, "nbytes", 0))
