"""A training with everything that has a place in a checkpoint."""

import numpy as np
import pytest

pytest.importorskip("safetensors")


from tests.mytorch.steps import assert_same, assert_same_state
from thalweg.averaging import EMA
from thalweg.mytorch import data, get_rng_state, manual_seed, nn, optim
from thalweg.schedules import cosine, warmup


class Training:
    """Everything that has a place of its own in a training, made anew from random numbers."""

    def __init__(self, seed: int, make_optimizer=lambda net: optim.AdamW(net, average=EMA(0.9))):
        manual_seed(seed)
        self.model = nn.Sequential(
            nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)
        )
        self.optimizer = make_optimizer(self.model)
        self.scheduler = optim.Scheduler(self.optimizer, warmup(5) >> cosine(20))
        numbers = np.random.default_rng(0)
        items = numbers.normal(size=(22, 6)).astype(np.float32), numbers.integers(0, 3, 22)
        self.loader = data.DataLoader(data.TensorDataset(*items), 8, shuffle=True)

    @property
    def parts(self):
        return self.model, self.optimizer, self.scheduler, self.loader

    def run(self, epochs: int) -> list[float]:
        losses = []
        for _ in range(epochs):
            for inputs, labels in self.loader:
                self.optimizer.zero_grad()
                loss = nn.CrossEntropyLoss()(self.model(inputs), labels)
                loss.backward()
                self.optimizer.step()
                self.scheduler.step()
                losses.append(loss.item())
        return losses

    def everything(self):
        return (
            self.model.state_dict(),
            self.optimizer.state_dict(),
            self.scheduler.state_dict(),
            (self.loader.seed, self.loader.epoch),
            get_rng_state(),
        )


def assert_all_same(one, other) -> None:
    assert one[0].keys() == other[0].keys()
    assert_same(one[0].values(), other[0].values())
    assert_same_state(one[1], other[1])
    assert one[2:] == other[2:]
