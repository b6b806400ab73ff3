"""What a model makes of batches: their loss and metrics, and the means of these."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from thalweg.mytorch.data.collate import map_parts
from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.tensor import Tensor, as_tensor, no_grad

__all__ = ["Loss", "Means", "Metrics", "Reading", "Unpack", "evaluate"]

Loss = Callable[[Any, Any], Tensor]
Metrics = Mapping[str, Callable[[Any, Any], Any]] | Sequence[Callable[[Any, Any], Any]]
Unpack = Callable[[Any], tuple[Any, Any]]


def evaluate(
    model: Module,
    loss: Loss,
    loader: Iterable[Any],
    *,
    metrics: Metrics = (),
    unpack: Unpack | None = None,
) -> dict[str, float]:
    """The mean "loss" of a model over all items of a loader, and of each metric, by name.

    The model is in evaluation mode meanwhile, and afterwards as it was. See `fit` for what batches
    and metrics may be.
    """
    return Reading("evaluate", model, loss, metrics, unpack).over(loader)


class Means:
    """Means over items, of values that are each the mean of a batch."""

    def __init__(self) -> None:
        self.count = 0
        self._sums: dict[str, float] = {}

    def add(self, values: Mapping[str, float], count: int) -> None:
        self.count += count
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * count

    def now(self) -> dict[str, float]:
        return {name: total / self.count for name, total in self._sums.items()}


class Reading:
    """How a batch is read: what of it goes into the model, and what is asked of the output."""

    def __init__(
        self, where: str, model: Module, loss: Loss, metrics: Metrics, unpack: Unpack | None
    ) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"{where}: model must be a Module, got {type(model).__name__}")
        if not callable(loss):
            raise TypeError(f"{where}: loss must be a function of (output, target), got {loss!r}")
        self.where, self.model, self.loss, self.unpack = where, model, loss, unpack
        self.metrics = _named(where, metrics)

    def of(self, batch: Any) -> tuple[Tensor, dict[str, float], int]:
        """The loss of a batch, the value of each metric, and the number of items."""
        inputs, target = self._parts(batch)
        output = self.model(*inputs)
        loss = self.loss(output, target)
        seen = map_parts(_detached, output)  # so that NumPy may look at it, too
        with no_grad():
            values = {name: float(metric(seen, target)) for name, metric in self.metrics.items()}
        return loss, values, _count(target, inputs)

    def over(self, loader: Iterable[Any]) -> dict[str, float]:
        """Means over all batches, in evaluation mode."""
        modes = [(module, module.training) for module in self.model.modules()]
        means = Means()
        try:
            self.model.eval()
            with no_grad(), np.errstate(over="ignore", invalid="ignore"):
                for batch in loader:
                    loss, values, count = self.of(batch)
                    means.add({"loss": loss.item(), **values}, count)
        finally:
            for module, mode in modes:
                module.training = mode
        if not means.count:
            raise ValueError(f"{self.where}: there is no batch to evaluate on")
        return means.now()

    def _parts(self, batch: Any) -> tuple[tuple[Any, ...], Any]:
        if self.unpack is not None:
            inputs, target = self.unpack(batch)
            return inputs if isinstance(inputs, tuple) else (inputs,), target
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            raise TypeError(
                f"{self.where}: a batch must be a tuple whose last part is the target, got "
                f"{type(batch).__name__}; for another one pass unpack, a function of the batch "
                "that gives (inputs, target)"
            )
        *inputs, target = batch
        return tuple(inputs), target


def _named(where: str, metrics: Metrics) -> dict[str, Callable[[Any, Any], Any]]:
    if isinstance(metrics, Mapping):
        named = dict(metrics)
    else:
        named = {getattr(one, "__name__", type(one).__name__): one for one in metrics}
        if len(named) < len(metrics):
            raise ValueError(
                f"{where}: every metric must have a name of its own, got {', '.join(named)}; "
                "give them in a dict"
            )
    for name, metric in named.items():
        if not callable(metric):
            raise TypeError(f"{where}: metric {name!r} must be a function, got {metric!r}")
    if "loss" in named:
        raise ValueError(f"{where}: a metric must have another name than 'loss'")
    return named


def _detached(output: Any) -> Any:
    return output.detach() if isinstance(output, Tensor) else output


def _count(target: Any, inputs: tuple[Any, ...]) -> int:
    """How many items a batch has."""
    for part in (target, *inputs):
        if isinstance(part, Tensor | np.ndarray | list) and as_tensor(part).ndim:
            return len(part)
    return 1
