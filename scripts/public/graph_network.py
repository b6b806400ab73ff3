"""A graph convolutional network, few of whose nodes are labelled: Adam with a decay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["train"]

NODES, KINDS, FEATURES, LABELLED = 400, 4, 64, 80


def graph() -> tuple[Tensor, Tensor, Tensor]:
    """Features, the normalized adjacency and what each node is: alike are linked more often."""
    kinds = torch.randint(KINDS, (NODES,))
    chance = torch.where(kinds[:, None] == kinds, 0.04, 0.005)
    linked = (torch.rand(NODES, NODES) < chance).triu(1).to(torch.get_default_dtype())
    linked = linked + linked.T + torch.eye(NODES)
    degree = linked.sum(1).rsqrt()
    features = torch.randn(KINDS, FEATURES)[kinds] + 3 * torch.randn(NODES, FEATURES)
    return features, degree[:, None] * linked * degree, kinds


class Convolution(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.xavier_uniform_(self.weight)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        return adjacency @ (x @ self.weight) + self.bias


def train(optim: Any) -> Iterator[float]:
    """Tell what the other nodes are; an iteration is an epoch."""
    torch.manual_seed(42)
    features, adjacency, kinds = graph()
    first, second = Convolution(FEATURES, 16), Convolution(16, KINDS)
    model = nn.ModuleList([first, second])
    optimizer = optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    while True:
        optimizer.zero_grad()
        hidden = F.dropout(F.relu(first(features, adjacency)), 0.5)
        found = F.log_softmax(second(hidden, adjacency), dim=1)
        loss = F.nll_loss(found[:LABELLED], kinds[:LABELLED])
        loss.backward()
        optimizer.step()
        yield loss.item()
