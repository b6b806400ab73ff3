"""A small task for every framework, and the optimizers that are tried in it."""

import numpy as np
import torch

import thalweg.optim as optim
from thalweg.averaging import EMA

SIZE, BATCH = 96, 16
_rng = np.random.default_rng(0)
INPUTS = torch.tensor(_rng.normal(size=(SIZE, 8)), dtype=torch.float32)
LABELS = (INPUTS[:, 0] * INPUTS[:, 1] > 0).long()

# of torch's too
TWINS = {
    "AdamW": {"lr": 0.01},
    "SGD": {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "Adafactor": {"lr": 0.02},
    "RAdam": {"lr": 0.01},
}
# that keep weights to look at
LOOKED_AT = {
    "Ranger": (optim.Ranger, {"lr": 0.01, "k": 5}),
    "ScheduleFreeAdamW": (optim.ScheduleFreeAdamW, {"lr": 0.01}),
    "AdamW with EMA": (optim.AdamW, {"lr": 0.01, "average": EMA(0.8)}),
}


def network(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2))


def flat(module):
    return torch.cat([p.detach().reshape(-1).clone() for p in module.parameters()])


def loss_of(output, labels):
    return torch.nn.functional.cross_entropy(output, labels)


def dataset():
    return torch.utils.data.TensorDataset(INPUTS, LABELS)


def loader():
    return torch.utils.data.DataLoader(dataset(), BATCH)


def of_torch(name):
    return getattr(torch.optim, name), TWINS[name]


def of_ours(name):
    return getattr(optim, name), TWINS[name]


def assert_close(one, other):
    """Weights after the same training: float32 steps, rounded in another order."""
    torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-6)
