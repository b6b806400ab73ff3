"""One picture in the manner of another, its pixels the parameters: L-BFGS with a closure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["train"]

SIDE = 24
WEIGHT = 1e2  # of the manner


def gram(x: Tensor) -> Tensor:
    flat = x.flatten(2).squeeze(0)
    return flat @ flat.T / flat.shape[1]


def pictures() -> tuple[Tensor, Tensor]:
    """Of a disc, and of waves."""
    axis = torch.linspace(-1, 1, SIDE)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    disc = torch.sigmoid(20 * (0.5 - x.square() - y.square()))
    waves = torch.sin(9 * (x + 0.3 * y))
    return torch.stack([disc, 1 - disc, disc])[None], torch.stack([waves, waves, -waves])[None]


def train(optim: Any) -> Iterator[float]:
    """Content and manner at once; an iteration is a step of 5 inner ones."""
    torch.manual_seed(0)
    features = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1), nn.Tanh(), nn.Conv2d(12, 16, 3, 2, 1), nn.Tanh()
    ).requires_grad_(False)
    content, style = pictures()
    wanted, manner = features(content), gram(features(style))
    image = nn.Parameter(content.clone())
    optimizer = optim.LBFGS([image], max_iter=5, line_search_fn="strong_wolfe")
    while True:

        def closure() -> Tensor:
            optimizer.zero_grad()
            found = features(image)
            loss = F.mse_loss(found, wanted) + WEIGHT * F.mse_loss(gram(found), manner)
            loss.backward()
            return loss

        loss = optimizer.step(closure)
        yield loss.item()
