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
from thalweg.mytorch.evaluation import evaluate
from thalweg.mytorch.gradcheck import gradcheck
from thalweg.mytorch.history import History
from thalweg.mytorch.metrics import accuracy
from thalweg.mytorch.random import get_rng_state, manual_seed, set_rng_state
from thalweg.mytorch.summary import summary
from thalweg.mytorch.tensor import Tensor, no_grad
from thalweg.mytorch.training import fit

__all__ = [
    "History",
    "Tensor",
    "accuracy",
    "data",
    "evaluate",
    "fit",
    "get_rng_state",
    "gradcheck",
    "manual_seed",
    "nn",
    "no_grad",
    "set_rng_state",
    "summary",
]
