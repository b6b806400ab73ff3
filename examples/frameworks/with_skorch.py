"""The digits in skorch: a grid search over an optimizer's settings, as over any other.

python examples/frameworks/with_skorch.py
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from skorch import NeuralNetClassifier

import thalweg.optim as optim
from thalweg.integrations.skorch import EvaluationWeights


def network():
    return torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))


def main() -> None:
    torch.manual_seed(0)
    images, labels = load_digits(return_X_y=True)
    net = NeuralNetClassifier(
        network,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=optim.Ranger,
        max_epochs=8,
        batch_size=32,
        iterator_train__shuffle=True,
        callbacks=[EvaluationWeights()],
        verbose=0,
    )
    search = GridSearchCV(net, {"optimizer__lr": [5e-3, 2e-2], "optimizer__k": [3, 6]}, cv=3)
    search.fit((images / 16).astype(np.float32), labels)
    print(f"accuracy {search.best_score_:.3f} with {search.best_params_}")


if __name__ == "__main__":
    main()
