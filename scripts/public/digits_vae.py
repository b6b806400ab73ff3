"""A variational autoencoder of digits: Adam."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scripts.public.digits import batches

__all__ = ["train"]


class VAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(64, 128), nn.Linear(128, 8), nn.Linear(128, 8)
        self.fc3, self.fc4 = nn.Linear(8, 128), nn.Linear(128, 64)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = F.relu(self.fc1(x))
        mean, log_variance = self.fc21(hidden), self.fc22(hidden)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mean, log_variance


def train(optim: Any) -> Iterator[float]:
    """Learn to draw digits; the loss is a picture's."""
    torch.manual_seed(1)
    model = VAE()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for images, _ in batches(128):
        data = images.flatten(1)
        optimizer.zero_grad()
        drawn, mean, log_variance = model(data)
        likely = F.binary_cross_entropy(drawn, data, reduction="sum")
        apart = -0.5 * torch.sum(1 + log_variance - mean.square() - log_variance.exp())
        loss = likely + apart
        loss.backward()
        optimizer.step()
        yield loss.item() / len(data)
