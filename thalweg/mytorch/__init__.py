"""A small network library on NumPy alone, in torch's manner.

from thalweg.mytorch import Tensor, data, nn

model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
for images, labels in data.DataLoader(data.digits(), batch_size=64, shuffle=True):
    loss = nn.CrossEntropyLoss()(model(images), labels)
    loss.backward()
"""

from thalweg.mytorch import data, nn
from thalweg.mytorch.random import get_rng_state, manual_seed, set_rng_state
from thalweg.mytorch.tensor import Tensor, no_grad

__all__ = ["Tensor", "data", "get_rng_state", "manual_seed", "nn", "no_grad", "set_rng_state"]
