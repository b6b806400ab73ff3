"""Proximal policy optimization on several poles: Adam, an annealed lr, clipped gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical

from scripts.public.environment import Poles

__all__ = ["train"]

COUNT, LENGTH, UPDATES, EPOCHS, PARTS = 4, 32, 100, 4, 4
RATE, DISCOUNT, SMOOTHING, CLIP = 2.5e-4, 0.99, 0.95, 0.2


def layer(inputs: int, outputs: int, gain: float = np.sqrt(2)) -> nn.Linear:
    made = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(made.weight, gain)
    nn.init.zeros_(made.bias)
    return made


class Agent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.critic = nn.Sequential(
            layer(4, 64), nn.Tanh(), layer(64, 64), nn.Tanh(), layer(64, 1, 1.0)
        )
        self.actor = nn.Sequential(
            layer(4, 64), nn.Tanh(), layer(64, 64), nn.Tanh(), layer(64, 2, 0.01)
        )

    def forward(self, seen: Tensor, action: Tensor | None = None) -> tuple[Tensor, ...]:
        choice = Categorical(logits=self.actor(seen))
        action = choice.sample() if action is None else action
        return action, choice.log_prob(action), choice.entropy(), self.critic(seen).squeeze(-1)


def advantages(rewards: Tensor, values: Tensor, ends: Tensor, last: Tensor) -> Tensor:
    """Generalized advantage estimation, from the last moment to the first."""
    found, carried = torch.zeros_like(rewards), torch.zeros(COUNT)
    following = last
    for t in reversed(range(LENGTH)):
        goes_on = 1.0 - ends[t]
        error = rewards[t] + DISCOUNT * following * goes_on - values[t]
        carried = error + DISCOUNT * SMOOTHING * goes_on * carried
        found[t], following = carried, values[t]
    return found


@torch.no_grad()
def played(agent: Agent, poles: Poles) -> tuple[Tensor, ...]:
    """What is seen, done, how likely, the advantages and the returns, all moments in a row."""
    kind = torch.get_default_dtype()
    rows: list[list[Tensor]] = []
    seen = torch.tensor(poles.observed(), dtype=kind)
    for _ in range(LENGTH):
        action, likely, _, value = agent(seen)
        following, reward, ended = poles.step(action.numpy())
        numbers = (torch.tensor(one, dtype=kind) for one in (reward, ended))
        rows.append([seen, action, likely, value, *numbers])
        seen = torch.tensor(following, dtype=kind)
    seens, actions, likely, values, rewards, ends = map(torch.stack, zip(*rows, strict=True))
    gained = advantages(rewards, values, ends, agent(seen)[3])
    found = (seens, actions, likely, gained, gained + values)
    return tuple(one.flatten(0, 1) for one in found)


def train(optim: Any) -> Iterator[float]:
    """Learn to hold poles upright; an iteration is one part of what was played."""
    torch.manual_seed(1)
    agent, poles = Agent(), Poles(COUNT, 1)
    optimizer = optim.Adam(agent.parameters(), lr=RATE, eps=1e-5)
    update = 0
    while True:
        optimizer.param_groups[0]["lr"] = max(1.0 - update / UPDATES, 0.0) * RATE
        seen, actions, likely, gained, returns = played(agent, poles)
        for _ in range(EPOCHS):
            for part in torch.randperm(len(seen)).chunk(PARTS):
                _, now, entropy, value = agent(seen[part], actions[part])
                ratio = (now - likely[part]).exp()
                own = gained[part]
                own = (own - own.mean()) / (own.std() + 1e-8)
                clipped = ratio.clamp(1 - CLIP, 1 + CLIP)
                policy = torch.max(-own * ratio, -own * clipped).mean()
                critic = 0.5 * (value - returns[part]).square().mean()
                loss = policy - 0.01 * entropy.mean() + 0.5 * critic
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
                optimizer.step()
                yield loss.item()
        update += 1
