"""An LSTM on words, its state carried along: plain SGD, clipped, quartered where it stalls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scripts.public.text import words

__all__ = ["train"]

BATCH, LENGTH, WIDTH = 10, 20, 64


class RNNModel(nn.Module):
    def __init__(self, known: int) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Embedding(known, WIDTH), nn.Linear(WIDTH, known)
        self.rnn, self.drop = nn.LSTM(WIDTH, WIDTH, 2, dropout=0.2), nn.Dropout(0.2)
        nn.init.uniform_(self.encoder.weight, -0.1, 0.1)

    def forward(self, x: Tensor, hidden: tuple[Tensor, Tensor]) -> tuple[Tensor, Any]:
        output, hidden = self.rnn(self.drop(self.encoder(x)), hidden)
        return self.decoder(self.drop(output)).flatten(0, 1), hidden


def train(optim: Any) -> Iterator[float]:
    """Foretell the next word."""
    torch.manual_seed(1111)
    text = words(6000)
    known = sorted(set(text))
    data = torch.tensor([known.index(word) for word in text])
    data = data[: len(data) // BATCH * BATCH].view(BATCH, -1).T
    model = RNNModel(len(known))
    optimizer = optim.SGD(model.parameters(), lr=20.0)
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.25, patience=0)
    while True:
        hidden, total = tuple(torch.zeros(2, BATCH, WIDTH) for _ in range(2)), 0.0
        for start in range(0, len(data) - LENGTH, LENGTH):
            model.zero_grad()
            hidden = tuple(one.detach() for one in hidden)
            output, hidden = model(data[start : start + LENGTH], hidden)
            loss = F.cross_entropy(output, data[start + 1 : start + 1 + LENGTH].flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            optimizer.step()
            total += loss.item()
            yield loss.item()
        scheduler.step(total)
