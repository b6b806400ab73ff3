"""Hugging Face's Trainer: save, and end, on the weights to look at."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from thalweg.integrations.optimizers import own_optimizer

__all__ = ["EvaluationWeights"]


class EvaluationWeights(TrainerCallback):  # type: ignore[misc]
    """Saves Lookahead's slow weights, an average, Schedule-Free's, and leaves them in the model.

        trainer = Trainer(..., optimizers=(Ranger(model, lr=1e-3), None))
        trainer.add_callback(EvaluationWeights())

    The Trainer evaluates on them without it, for it calls `eval()` and `train()` of an optimizer
    that has them; a checkpoint that it writes without having evaluated has the weights of the
    training, and so has the model at the end. With this callback both have the weights to look at,
    whatever the strategies. A training that goes on from a checkpoint goes on as if it had not
    stopped: the optimizer's file has the weights of the training.
    """

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Put them into the model where a checkpoint is about to be written."""
        if control.should_save:
            _look_at(kwargs.get("optimizer"))

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Put them into the model where a checkpoint is about to be written."""
        if control.should_save:
            _look_at(kwargs.get("optimizer"))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Leave them in the model."""
        _look_at(kwargs.get("optimizer"))


def _look_at(optimizer: Any) -> None:
    own = own_optimizer(optimizer)
    if own is not None:
        own.eval()
