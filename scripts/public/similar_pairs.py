"""Two views of one picture are alike and others not (SimCLR): SGD with momentum down a cosine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scripts.public.digits import batches

__all__ = ["train"]

TEMPERATURE, ITERATIONS = 0.2, 300


def view(images: Tensor) -> Tensor:
    """Shifted by a pixel at most, brighter or darker, with noise."""
    up, left = torch.randint(-1, 2, (2,)).tolist()
    light = 0.7 + 0.6 * torch.rand(len(images), 1, 1, 1)
    return images.roll((up, left), (2, 3)) * light + 0.1 * torch.randn_like(images)


def train(optim: Any) -> Iterator[float]:
    """Learn what a picture is from pictures alone."""
    torch.manual_seed(0)
    encoder = nn.Sequential(
        nn.Conv2d(1, 16, 3, 1, 1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, 2, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 64, bias=False),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Linear(64, 32),
    )
    optimizer = optim.SGD(
        encoder.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4, nesterov=True
    )
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, ITERATIONS)
    for images, _ in batches(64):
        found = F.normalize(encoder(torch.cat([view(images), view(images)])), dim=1)
        alike = (found @ found.T / TEMPERATURE).fill_diagonal_(-torch.inf)
        other = torch.arange(len(found)).roll(len(images))
        loss = F.cross_entropy(alike, other)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        yield loss.item()
