"""A small network library on NumPy alone, in torch's manner.

A training loop reads as it does there:

    from thalweg.mytorch import data, nn

    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    loss_of = nn.CrossEntropyLoss()
    for images, labels in data.DataLoader(data.digits(), batch_size=64, shuffle=True):
        model.zero_grad()
        loss_of(model(images), labels).backward()
"""

from thalweg.mytorch import data, nn
from thalweg.mytorch.random import get_rng_state, manual_seed, set_rng_state
from thalweg.mytorch.tensor import Tensor, no_grad

__all__ = ["Tensor", "data", "get_rng_state", "manual_seed", "nn", "no_grad", "set_rng_state"]
