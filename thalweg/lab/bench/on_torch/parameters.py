"""Parameters of torch with gradients to step on, and the stream that its steps are held to."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from thalweg.lab.bench.shapes import GRADIENT_SCALE, Shape
from thalweg.lab.bench.timing import FORMS

__all__ = ["Stream", "gradients_for", "parameters_with", "rivals"]


class Stream:
    """One flat `p += g` by torch: what memory gives when there is a single tensor and no rule."""

    def __init__(self, elements: int) -> None:
        self.p, self.g = torch.ones(elements), torch.ones(elements)

    def __call__(self) -> None:
        self.p.add_(self.g)


def gradients_for(shapes: Sequence[Shape]) -> list[torch.Tensor]:
    """Random gradients, the same on every run."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).mul_(GRADIENT_SCALE) for shape in shapes]


def parameters_with(gradients: Sequence[torch.Tensor]) -> list[torch.nn.Parameter]:
    """New parameters of ones that hold these gradients, not copies of them."""
    params = [torch.nn.Parameter(torch.ones_like(grad)) for grad in gradients]
    for p, grad in zip(params, gradients, strict=True):
        p.grad = grad
    return params


def rivals(name: str, settings: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    """The forms in which torch has the optimizer of this name; none, if it does not have it, or not
    with these settings."""
    found = getattr(torch.optim, name, None)
    if found is None:
        return {}
    accepted = inspect.signature(found).parameters
    if not settings.keys() <= accepted.keys():
        return {}
    return {
        form: partial(found, **settings, **flags)
        for form, flags in FORMS.items()
        if flags.keys() <= accepted.keys()
    }
