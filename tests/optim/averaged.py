"""A model with weights and buffers of every kind, and how a training changes it."""

import functools

import torch
from torch import nn
from torch.nn import Module, Parameter

from tests.optim.runs import numbers, values

STEPS = 300
TYPES = [torch.float64, torch.float32, torch.bfloat16, torch.complex64]
NARROW = [torch.bfloat16, torch.float16]


class Net(Module):
    """Weights and buffers of every kind, tied ones among them."""

    def __init__(self, dtype=torch.float32, has_mask=True):
        super().__init__()
        self.first = nn.Linear(4, 3, dtype=dtype)
        self.second = nn.Linear(4, 3, dtype=dtype)
        self.second.weight = self.first.weight
        self.scale = Parameter(torch.ones((), dtype=dtype), requires_grad=False)
        self.register_buffer("running", torch.zeros(5, dtype=dtype))
        self.register_buffer("counter", torch.tensor(0))
        self.register_buffer("positions", torch.arange(40), persistent=False)
        if has_mask:
            self.register_buffer("mask", torch.ones(2, 2).tril().bool())

    def forward(self, x):
        return self.second(self.first(x)[..., :1].expand(x.shape)) * self.scale


@functools.cache
def path(shape, dtype, seed=0) -> list[torch.Tensor]:
    """The values that one tensor takes in training: a random walk."""
    steps = numbers((STEPS, *shape), seed, torch.complex128 if dtype.is_complex else torch.float64)
    return list(torch.cumsum(steps / 8, 0).to(dtype))


def saved_values(model: Module) -> list[torch.Tensor]:
    """Copies of all that a file of the model holds."""
    return values(model.state_dict().values())
