"""Deep Q-learning on a pole, with a memory and a second network that follows: RMSprop."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from scripts.public.environment import Poles

__all__ = ["train"]

MEMORY, FIRST, BATCH, FOLLOW = 2000, 64, 64, 50
DISCOUNT, EXPLORED = 0.99, 500


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(4, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 2)
    )


def train(optim: Any) -> Iterator[float]:
    """Learn what a push is worth; an iteration is a push and a batch from the memory."""
    torch.manual_seed(1)
    chance, poles, kind = random.Random(1), Poles(1, 1), torch.get_default_dtype()
    network_now, target = network(), network()
    target.load_state_dict(network_now.state_dict())
    optimizer = optim.RMSprop(network_now.parameters(), lr=5e-4, alpha=0.95, eps=1e-2)
    memory: list[tuple[Any, ...]] = []
    seen, step = poles.observed(), 0
    while True:
        step += 1
        if chance.random() < max(1.0 - step / EXPLORED, 0.05):
            action = chance.randrange(2)
        else:
            with torch.no_grad():
                action = int(network_now(torch.tensor(seen, dtype=kind)).argmax())
        following, reward, ended = poles.step(np.array([action]))
        memory = [*memory[-MEMORY:], (seen[0], action, reward[0], following[0], ended[0])]
        seen = following
        if step < FIRST:
            continue
        columns = map(np.array, zip(*chance.sample(memory, BATCH), strict=True))
        before, actions, rewards, after, ends = map(torch.from_numpy, columns)
        with torch.no_grad():
            best = target(after.to(kind)).max(1).values
            worth = rewards.to(kind) + DISCOUNT * best * (1 - ends.to(kind))
        guessed = network_now(before.to(kind)).gather(1, actions[:, None]).squeeze(1)
        loss = F.smooth_l1_loss(guessed, worth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % FOLLOW == 0:
            target.load_state_dict(network_now.state_dict())
        yield loss.item()
