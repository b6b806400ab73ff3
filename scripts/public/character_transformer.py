"""A small GPT on characters: AdamW in two groups, a cosine set by hand, clipped gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scripts.public.text import words

__all__ = ["train"]

BLOCK, BATCH, WIDTH, HEADS, LAYERS = 32, 12, 48, 4, 2
RATE, LOWEST, WARM_UP, ITERATIONS = 1e-3, 1e-4, 10, 200


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.c_attn, self.c_proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x: Tensor) -> Tensor:
        size, length, _ = x.shape
        parts = self.c_attn(self.ln_1(x)).split(WIDTH, dim=2)
        q, k, v = (part.view(size, length, HEADS, -1).transpose(1, 2) for part in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).reshape(size, length, WIDTH))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, letters: int) -> None:
        super().__init__()
        self.wte, self.wpe = nn.Embedding(letters, WIDTH), nn.Embedding(BLOCK, WIDTH)
        self.h = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.ln_f, self.lm_head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, letters, bias=False)
        self.lm_head.weight = self.wte.weight
        nn.init.normal_(self.wte.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return self.lm_head(self.ln_f(self.h(self.wte(x) + self.wpe.weight[: x.shape[1]])))


def rate_at(number: int) -> float:
    """Up in a line, and down a cosine."""
    if number < WARM_UP:
        return RATE * (number + 1) / WARM_UP
    share = min((number - WARM_UP) / (ITERATIONS - WARM_UP), 1.0)
    return LOWEST + 0.5 * (1 + math.cos(math.pi * share)) * (RATE - LOWEST)


def train(optim: Any) -> Iterator[float]:
    """Foretell the next character."""
    torch.manual_seed(1337)
    text = " ".join(words(4000))
    letters = sorted(set(text))
    data = torch.tensor([letters.index(letter) for letter in text])
    model = GPT(len(letters))
    params = list(model.parameters())
    groups = [
        {"params": [p for p in params if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in params if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = optim.AdamW(groups, lr=RATE, betas=(0.9, 0.95))
    number = 0
    while True:
        for group in optimizer.param_groups:
            group["lr"] = rate_at(number)
        starts = torch.randint(len(data) - BLOCK - 1, (BATCH,)).tolist()
        x = torch.stack([data[i : i + BLOCK] for i in starts])
        y = torch.stack([data[i + 1 : i + 1 + BLOCK] for i in starts])
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        number += 1
        yield loss.item()
