"""A task of your own for `thalweg compare`: a function that returns everything but the optimizer.

    thalweg compare adam ranger --model examples/tasks/diabetes.py:task

The loader's test part may be left out, and so may the metric: then the loss judges. With torch it
looks the same: a torch.nn.Module, torch's losses and loaders. Needs `pip install 'thalweg[lab]'`.
"""

import numpy as np
from sklearn.datasets import load_diabetes

from thalweg.mytorch import data, nn


def task(seed: int):
    """How ill 442 people are a year later, from ten numbers of each."""
    inputs, target = load_diabetes(return_X_y=True)
    inputs = (inputs / inputs.std(axis=0)).astype(np.float32)
    target = ((target - target.mean()) / target.std()).astype(np.float32)[:, None]
    people = data.TensorDataset(inputs, target)
    order = np.random.default_rng(0).permutation(len(people))  # one split for all seeds
    train, validation, test = (data.Subset(people, part) for part in np.split(order, [250, 330]))

    model = nn.Sequential(nn.Linear(10, 32), nn.Tanh(), nn.Linear(32, 1))
    loaders = (
        data.DataLoader(train, batch_size=25, shuffle=True),
        data.DataLoader(validation, batch_size=100),
        data.DataLoader(test, batch_size=200),
    )
    return model, nn.MSELoss(), loaders, error


def error(output, target):
    """How far off a guess is, in deviations of the target."""
    return np.abs(np.asarray(output) - np.asarray(target)).mean()


error.lower_is_better = True
