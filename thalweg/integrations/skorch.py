"""skorch: validate on the weights to look at, and end on them."""

from __future__ import annotations

from typing import Any

from skorch import NeuralNet
from skorch.callbacks import Callback

from thalweg.integrations.optimizers import own_optimizers

__all__ = ["EvaluationWeights"]


class EvaluationWeights(Callback):  # type: ignore[misc]
    """Validates each epoch on Lookahead's slow weights, an average, Schedule-Free's, and predicts
    with them.

        net = NeuralNetClassifier(Net, optimizer=Ranger, callbacks=[EvaluationWeights()])

    After `fit` the net has them, so `predict`, `score` and a pickle do; `partial_fit` goes on with
    those of the training.
    """

    def on_train_begin(self, net: NeuralNet, **kwargs: Any) -> None:
        """Bring the weights of the training back, where an earlier fit has left others."""
        _train(net)

    def on_batch_begin(self, net: NeuralNet, training: bool = False, **kwargs: Any) -> None:
        """Those of the training for a step, those to look at for a batch that is validated."""
        _train(net) if training else _look(net)

    def on_train_end(self, net: NeuralNet, **kwargs: Any) -> None:
        """Leave the weights to look at in the net."""
        _look(net)


def _optimizers(net: NeuralNet) -> list[Any]:
    names = getattr(net, "optimizers_", ["optimizer"])
    return own_optimizers(getattr(net, f"{name.rstrip('_')}_", None) for name in names)


def _train(net: NeuralNet) -> None:
    for opt in _optimizers(net):
        opt.train()


def _look(net: NeuralNet) -> None:
    for opt in _optimizers(net):
        opt.eval()
