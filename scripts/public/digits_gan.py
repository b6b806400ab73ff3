"""Two convolutional networks against each other: an Adam for each, betas of 0.5 and 0.999."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from scripts.public.digits import batches

__all__ = ["train"]

NOISE = 16


def drawing() -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(NOISE, 32, 4, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, 2, 1, bias=False),
        nn.Sigmoid(),
    )


def judging() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, 2, 2, bias=False),
        nn.BatchNorm2d(32),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 1, 2, bias=False),
        nn.Flatten(0),
    )


def train(optim: Any) -> Iterator[float]:
    """Draw digits that pass for real; the loss is of both networks together."""
    torch.manual_seed(999)
    generator, discriminator = drawing(), judging()
    optimizer_g = optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optimizer_d = optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    criterion = nn.BCEWithLogitsLoss()
    for images, _ in batches(64):
        real, false = torch.ones(len(images)), torch.zeros(len(images))
        discriminator.zero_grad()
        loss_real = criterion(discriminator(images), real)
        loss_real.backward()
        drawn = generator(torch.randn(len(images), NOISE, 1, 1))
        loss_false = criterion(discriminator(drawn.detach()), false)
        loss_false.backward()
        optimizer_d.step()
        generator.zero_grad()
        loss_g = criterion(discriminator(drawn), real)
        loss_g.backward()
        optimizer_g.step()
        yield (loss_real + loss_false + loss_g).item()
