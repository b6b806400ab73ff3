"""Gradients held against finite differences: for layers and losses that one writes oneself."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from thalweg.mytorch.nn.module import Module
from thalweg.mytorch.random import get_rng_state, set_rng_state
from thalweg.mytorch.tensor import Tensor, no_grad

__all__ = ["gradcheck"]


def gradcheck(
    function: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Whether the gradients of a function are what it does when its inputs move by `eps`.

        gradcheck(nn.functional.gelu, Tensor(np.random.randn(4, 3), requires_grad=True))

    Checked are all inputs that have `requires_grad`, of float64, and if the function is a Module
    all its parameters. The outputs, a tensor or a tuple of them, are weighed at random and summed.
    Where they differ, a sentence says at which number, unless `raise_exception=False`.

    Differs: torch compares the whole Jacobian, one output after another; a sum with random weights
    finds the same faults in one backward pass. torch leaves a Module's parameters out.
    """
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = _checked(function, given)
    random = np.random.default_rng(0)
    weights: list[np.ndarray] = []

    state = get_rng_state()

    def value() -> Tensor:
        set_rng_state(state)  # dropout drops the same units each time
        outputs = function(*given)
        found = [one for one in _flat(outputs) if isinstance(one, Tensor)]
        while len(weights) < len(found):
            weights.append(random.uniform(0.5, 1.5, found[len(weights)].shape))
        terms = [(one * Tensor(w)).sum() for one, w in zip(found, weights, strict=True)]
        return sum(terms[1:], terms[0])

    with _buffers_kept(function):
        return _compare(value, checked, eps, atol, rtol, raise_exception)


def _compare(
    value: Callable[[], Tensor],
    checked: list[tuple[str, Tensor]],
    eps: float,
    atol: float,
    rtol: float,
    raise_exception: bool,
) -> bool:
    found = _gradients(value, [tensor for _, tensor in checked])
    for (name, tensor), gradient in zip(checked, found, strict=True):
        slopes = _slopes(value, tensor, eps)
        wrong = ~(np.abs(gradient - slopes) <= atol + rtol * np.abs(slopes))
        if wrong.any():
            if not raise_exception:
                return False
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(
                f"gradcheck: the gradient of {name} at {place} must be {slopes[place]:.6g}, as "
                f"finite differences have it, got {gradient[place]:.6g}"
            )
    return True


def _checked(function: Any, given: tuple[Any, ...]) -> list[tuple[str, Tensor]]:
    """What has a gradient to be checked, under the name a sentence calls it by."""
    found = [
        (f"input {i}", one)
        for i, one in enumerate(given)
        if isinstance(one, Tensor) and one.requires_grad
    ]
    if isinstance(function, Module):
        found += [pair for pair in function.named_parameters() if pair[1].requires_grad]
    if not found:
        raise ValueError("gradcheck: at least one input must have requires_grad=True")
    for name, tensor in found:
        if tensor.dtype != np.float64:
            raise TypeError(
                f"gradcheck: {name} must be float64, got {tensor.dtype}: differences of float32 "
                "are mostly rounding (a module becomes float64 by `.double()`)"
            )
    return found


def _gradients(value: Callable[[], Tensor], tensors: list[Tensor]) -> list[np.ndarray]:
    """The gradients of one backward pass; those that were there before stay."""
    before = [tensor.grad for tensor in tensors]
    for tensor in tensors:
        tensor.grad = None
    try:
        value().backward()
        return [np.zeros_like(t.data) if t.grad is None else t.grad for t in tensors]
    finally:
        for tensor, gradient in zip(tensors, before, strict=True):
            tensor.grad = gradient


def _slopes(value: Callable[[], Tensor], tensor: Tensor, eps: float) -> np.ndarray:
    slopes = np.empty_like(tensor.data)
    for place in np.ndindex(tensor.shape):
        here = tensor.data[place]
        ends = []
        try:
            for step in (eps, -eps):
                tensor.data[place] = here + step
                with no_grad():
                    ends.append(value().item())
        finally:
            tensor.data[place] = here
        slopes[place] = (ends[0] - ends[1]) / (2 * eps)
    return slopes


@contextmanager
def _buffers_kept(function: Any) -> Iterator[None]:
    """Leave a BatchNorm's running statistics as they were."""
    buffers = list(function.named_buffers()) if isinstance(function, Module) else []
    before = [array.copy() for _, array in buffers]
    try:
        yield
    finally:
        for (_, array), values in zip(buffers, before, strict=True):
            array[...] = values


def _flat(outputs: Any) -> list[Any]:
    if isinstance(outputs, tuple | list):
        return [one for output in outputs for one in _flat(output)]
    return [outputs]
