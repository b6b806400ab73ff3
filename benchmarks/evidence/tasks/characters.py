"""A language model of characters on Python's own help texts (`pydoc_data.topics`), on one thread.

A transformer of two blocks predicts each character from at most 32 before it. The texts lie in
three parts one after the other; the loss is the mean cross-entropy in nats.
"""

import math
from collections.abc import Iterator
from functools import cache
from pydoc_data.topics import topics

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

CONTEXT, WIDTH, HEADS, BLOCKS = 32, 32, 4, 2
BATCH, STEPS = 16, 10  # of an epoch
SCORED = 160  # windows of either judge


@cache
def texts() -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """The characters as numbers: 80 % to learn from, 10 % to validate, 10 % to test."""
    text = "\n".join(topics[name] for name in sorted(topics))
    letters, numbers = np.unique(list(text), return_inverse=True)
    learnt, validation, test = np.split(numbers, [len(text) * 8 // 10, len(text) * 9 // 10])
    return learnt, validation, test, len(letters)


class Block(nn.Module):
    """Attention to what came before, and a perceptron, each behind a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])
        self.asked, self.mixed = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.inner = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x: Tensor) -> Tensor:
        parts = self.asked(self.norms[0](x)).unflatten(2, (3, HEADS, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.mixed(seen.transpose(1, 2).flatten(2))
        return x + self.inner(self.norms[1](x))


class Transformer(nn.Module):
    """Logits (N, letters, CONTEXT) of the characters that follow."""

    def __init__(self, letters: int) -> None:
        super().__init__()
        self.letter, self.place = nn.Embedding(letters, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, letters)
        for table in (self.letter, self.place):
            nn.init.normal_(table.weight, std=1 / math.sqrt(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        shown = self.letter(x) + self.place.weight
        return self.head(self.norm(self.blocks(shown))).transpose(1, 2)


class Windows:
    """Batches of windows: drawn anew each time, or the same ones spread evenly over a text."""

    def __init__(self, text: np.ndarray, random: np.random.Generator | None = None) -> None:
        self.text, self.random = torch.from_numpy(text), random

    def __len__(self) -> int:
        return STEPS if self.random is not None else SCORED // BATCH

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        last = len(self.text) - CONTEXT - 1
        even = np.linspace(0, last, SCORED).astype(int).reshape(-1, BATCH)
        for i in range(len(self)):
            begins = even[i] if self.random is None else self.random.integers(0, last, BATCH)
            both = self.text[torch.from_numpy(begins)[:, None] + torch.arange(CONTEXT + 1)]
            yield both[:, :-1], both[:, 1:]


def task(seed: int):
    learnt, validation, test, letters = texts()
    train = Windows(learnt, np.random.default_rng([seed, 1]))
    return Transformer(letters), nn.CrossEntropyLoss(), (train, Windows(validation), Windows(test))
