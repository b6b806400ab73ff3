"""What L-BFGS descends into, and the course that it takes beside torch's."""

import pytest
import torch
from torch.nn import Parameter

from tests.optim.runs import numbers, values

FIXED = {"lr": 0.1, "max_iter": 6}
WOLFE = {"lr": 1.0, "max_iter": 6, "line_search_fn": "strong_wolfe"}
SEARCHES = pytest.mark.parametrize("settings", [FIXED, WOLFE], ids=["fixed", "wolfe"])


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def quadratic(x, condition=1e6):
    """Turned by a reflection, so that no coordinate is an axis."""
    n = x.numel()
    axis = numbers((n,), 5, x.dtype)
    axis = axis / axis.norm()
    turned = x - 2 * axis * (axis @ x)
    exponents = torch.linspace(0, 1, n, dtype=x.dtype)
    return 0.5 * (condition**exponents * turned**2).sum()


def far_valley(n, dtype):
    x = torch.ones(n, dtype=dtype)
    x[::2] = -1.2
    return x


PROBLEMS = {
    "rosenbrock in 2": (rosenbrock, lambda dtype: far_valley(2, dtype)),
    "rosenbrock in 100": (rosenbrock, lambda dtype: far_valley(100, dtype)),
    "condition 1e6": (quadratic, lambda dtype: numbers((200,), 3, dtype)),
}


class Course:
    """An optimizer on a function of its parameters, and what its closure saw."""

    def __init__(self, make, params, function, **settings):
        self.params, self.function = list(params), function
        self.opt = make(self.params, **settings)
        self.losses, self.points, self.modes = [], [], []

    def closure(self):
        self.modes.append(torch.is_grad_enabled())
        self.points.append(values(self.params))
        for p in self.params:
            p.grad = None
        loss = self.function(*self.params)
        loss.backward()
        self.losses.append(loss.item())
        return loss

    def walk(self, steps):
        for _ in range(steps):
            self.opt.step(self.closure)
        return self

    @property
    def state(self):
        return self.opt.state[self.params[0]]


def course(make, problem, dtype=torch.float64, **settings):
    function, start = PROBLEMS[problem]
    return Course(make, [Parameter(start(dtype))], function, **settings)


def several(*params):
    """A function of any number of parameters of any shape, real or complex; its least is 0."""
    total = 0.0
    for i, p in enumerate(params):
        flat = (torch.view_as_real(p) if p.is_complex() else p).reshape(-1)
        weights = 1 + torch.arange(flat.numel(), dtype=flat.dtype) % 7
        total = total + (weights * (flat - i) ** 2).sum() + 0.1 * (flat**4).sum()
    return total


def some(dtype=torch.float64, shapes=((3, 4), (4,), (), (2, 3, 2, 2), (0, 3))):
    return [Parameter(numbers(shape, seed, dtype)) for seed, shape in enumerate(shapes)]


def assert_agree(have, want, rtol):
    for a, b in zip(have, want, strict=True):
        torch.testing.assert_close(a.detach(), b.detach(), rtol=rtol, atol=rtol, check_stride=False)
