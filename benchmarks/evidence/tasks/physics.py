"""A physics-informed network (Raissi et al. 2019): Poisson's equation on the unit square.

It learns u with -u_xx - u_yy = f and u = 0 on the border from the equation alone, at points drawn
anew for each step; u = sin(pi x) sin(3 pi y) is what it is judged by, at other points for
validation than for test. The border is met by the factor x (1 - x) y (1 - y).
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

WIDTH, POINTS = 24, 128
STEPS = 10  # of an epoch
CURVATURE = 10 * math.pi**2  # f = CURVATURE u


def solution(x: Tensor) -> Tensor:
    return torch.sin(math.pi * x[:, :1]) * torch.sin(3 * math.pi * x[:, 1:])


class Physics(nn.Module):
    """In training what the equation is off by, in units of f; else u."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2, WIDTH), nn.Tanh(),
            nn.Linear(WIDTH, WIDTH), nn.Tanh(),
            nn.Linear(WIDTH, WIDTH), nn.Tanh(),
            nn.Linear(WIDTH, 1),
        )  # fmt: skip

    def u(self, x: Tensor) -> Tensor:
        return 16 * torch.prod(x * (1 - x), dim=1, keepdim=True) * self.layers(2 * x - 1)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self.u(x)
        with torch.enable_grad():
            x = x.clone().requires_grad_()
            (slope,) = torch.autograd.grad(self.u(x).sum(), x, create_graph=True)
            curved = [
                torch.autograd.grad(slope[:, i].sum(), x, create_graph=True)[0][:, i : i + 1]
                for i in range(2)
            ]
            return (curved[0] + curved[1]) / CURVATURE + solution(x)


class Drawn:
    """Points drawn anew for each batch; the equation is to be off by nothing."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random

    def __len__(self) -> int:
        return STEPS

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(STEPS):
            points = self.random.random((POINTS, 2), np.float32)
            yield torch.from_numpy(points), torch.zeros(POINTS, 1)


def judged(seed: int, count: int = 1000) -> list[tuple[Tensor, Tensor]]:
    points = torch.from_numpy(np.random.default_rng(seed).random((count, 2), np.float32))
    return [(points, solution(points))]


def task(seed: int):
    train = Drawn(np.random.default_rng([seed, 1]))
    return Physics(), nn.MSELoss(), (train, judged(1), judged(2))
