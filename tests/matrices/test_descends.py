"""Rules on whole matrices go down a noisy valley and learn the digits, one optimizer to a model."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from thalweg import mytorch
from thalweg.mytorch import nn
from thalweg.optimizers import OPTIMIZERS

# lr is the default, or what the docs say of a small network (docs/matrices.md)
SETTINGS = {
    "APOLLO": {},
    "AdaMuon": {"lr": 0.03},
    "Dion": {},
    "GaLore": {"lr": 0.05},
    "MuSGD": {"lr": 0.1},
    "Muon": {"lr": 0.02},
    "NorMuon": {},
    "PSGDKron": {"lr": 0.01},
    "SOAP": {"lr": 0.01},
    "Scion": {"lr": 0.01, "scale": 50.0},
    "Shampoo": {},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_down_a_valley_a_thousand_times_as_steep_as_long(name):
    """Gradients carry noise; the curvature of the rows runs from 1 to 1/1000."""
    draw = np.random.default_rng(0)
    steep = np.logspace(0, -3, 12)[:, None] * np.ones((1, 8))
    target = draw.normal(size=(12, 8))
    p = mytorch.nn.Parameter(np.zeros((12, 8)))
    opt = getattr(mytorch.optim, name)([p], **SETTINGS[name])

    def loss():
        return float((steep * (p.data - target) ** 2).sum() / 2)

    before = loss()
    for _ in range(250):
        p.grad = steep * (p.data - target) + 0.01 * draw.normal(size=(12, 8))
        opt.step()
    assert loss() < before / 3


@pytest.mark.parametrize("name", SETTINGS)
def test_the_digits(name):
    mytorch.manual_seed(0)
    data = load_digits()
    images = mytorch.Tensor((data.data[:512] / 16).astype(np.float32))
    labels = mytorch.Tensor(data.target[:512])
    net = nn.Sequential(
        nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 10)
    )
    has_others = OPTIMIZERS[name].choice.is_choosy and len(OPTIMIZERS[name].rules) == 1
    others = {"others": "AdamW", "others_lr": 3e-3} if has_others else {}
    opt = getattr(mytorch.optim, name)(net, **SETTINGS[name], **others)
    losses = []
    for _ in range(60):
        opt.zero_grad()
        loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        opt.step()
        losses.append(float(loss.data))
    assert losses[-1] < losses[0] / 1.7
