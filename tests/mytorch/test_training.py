"""A network learns the digits, the same way each time, with nothing but NumPy."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from thalweg.mytorch import data, manual_seed, nn, no_grad

ROOT = Path(__file__).parents[2]


def train(network, epochs: int, rate: float) -> list[float]:
    """Plain SGD with momentum 0.9; gives the loss of each batch."""
    losses = []
    speed = [np.zeros_like(p.data) for p in network.parameters()]
    loss_of = nn.CrossEntropyLoss()
    loader = data.DataLoader(data.digits(), batch_size=64, shuffle=True)
    for _ in range(epochs):
        for images, labels in loader:
            network.zero_grad()
            loss = loss_of(network(images), labels)
            loss.backward()
            for p, v in zip(network.parameters(), speed, strict=True):
                v *= 0.9
                v += p.grad
                p.data -= rate * v
            losses.append(loss.item())
    return losses


def accuracy(network) -> float:
    images, labels = data.digits(train=False).arrays
    network.eval()
    with no_grad():
        return float(np.mean(network(images).data.argmax(axis=1) == labels))


def perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 10)
    )


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 10),
    )


@pytest.mark.parametrize(
    ("make", "epochs", "wanted"), [(perceptron, 15, 0.96), (convolutional, 5, 0.975)]
)
def test_a_network_reads_digits_that_it_has_not_seen(make, epochs, wanted):
    pytest.importorskip("sklearn")
    manual_seed(0)
    network = make()
    train(network, epochs, rate=0.05)
    assert accuracy(network) > wanted


def test_a_seed_repeats_a_training_to_the_last_bit():
    pytest.importorskip("sklearn")
    runs = []
    for seed in (1, 1, 2):
        manual_seed(seed)
        network = perceptron()
        runs.append((train(network, 1, rate=0.05), network.state_dict()))
    assert runs[0][0] == runs[1][0]
    assert runs[0][0] != runs[2][0]
    for name, array in runs[0][1].items():
        np.testing.assert_array_equal(array, runs[1][1][name])


def test_training_brings_in_nothing_but_numpy():
    """Counted by the packages outside the standard library and ours."""
    code = """
import sys
import numpy as np
np.random.default_rng()  # a part of NumPy that comes when it is asked for
before = {name.partition(".")[0] for name in sys.modules}
from thalweg.mytorch import data, nn
network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU(), nn.Flatten(), nn.Linear(8, 2))
images = data.TensorDataset(np.ones((5, 1, 4, 4), np.float32), np.zeros(5, int))
for x, y in data.DataLoader(images, 2, True):
    nn.CrossEntropyLoss()(network(x), y).backward()
after = {name.partition(".")[0] for name in sys.modules}
print(sorted(after - before - set(sys.stdlib_module_names)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (run.stdout, run.stderr) == ("['thalweg']\n", "")
