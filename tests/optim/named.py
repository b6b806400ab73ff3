"""Three named parameters, and optimizers of them that have taken some steps."""

from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import numbers, walk

SHAPES = {"0.weight": (3, 2), "0.bias": (3,), "1.weight": (2, 3)}


def named(rename=lambda name: name):
    return [(rename(n), Parameter(numbers(s, i))) for i, (n, s) in enumerate(SHAPES.items())]


def of(opt):
    """What is kept of each parameter, by its place."""
    return [opt.state[p] for group in opt.param_groups for p in group["params"]]


def at(steps, rename=lambda name: name, cls=optim.AdamW, **settings):
    opt = cls(named(rename), **settings)
    walk(opt, steps)
    return opt
