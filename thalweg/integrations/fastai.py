"""fastai: validate, save and end on the weights to look at."""

from __future__ import annotations

from typing import Any

from fastai.callback.core import Callback

from thalweg.integrations.optimizers import own_optimizer

__all__ = ["EvaluationWeights"]


class EvaluationWeights(Callback):  # type: ignore[misc]
    """Validates each epoch on Lookahead's slow weights, an average, Schedule-Free's, and leaves
    them in the model.

        opt_func = partial(OptimWrapper, opt=Ranger)
        learn = Learner(dls, model, opt_func=opt_func, cbs=EvaluationWeights())

    What is saved after a validation (`SaveModelCallback`) has them, and so has the model after
    `fit`; another `fit`, and a training that goes on from a file with its optimizer, go on with the
    weights of the training. Optimizers that keep no such weights are left alone.
    """

    order = -50  # what others do before an epoch's training is done to the weights of the training

    def before_train(self) -> None:
        """Bring the weights of the training back."""
        own = _own(self.learn)
        if own is not None:
            own.train()

    def before_validate(self) -> None:
        """Put those to look at into the model; they stay until the next training."""
        self._look()

    def after_fit(self) -> None:
        """Leave them in the model, also where nothing is validated."""
        self._look()

    def _look(self) -> None:
        own = _own(self.learn)
        if own is not None:
            own.eval()


def _own(learn: Any) -> Any:
    """The optimizer in fastai's wrapper."""
    return own_optimizer(getattr(learn.opt, "opt", None))
