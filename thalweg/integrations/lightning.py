"""Lightning: evaluate and save on the weights to look at."""

from __future__ import annotations

import contextlib
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from thalweg.integrations.optimizers import own_optimizers

__all__ = ["EvaluationWeights"]

_TRAINING = "training_state_dict"


class EvaluationWeights(Callback):  # type: ignore[misc]
    """Validates, tests and saves on Lookahead's slow weights, an average, Schedule-Free's.

        trainer = Trainer(callbacks=[EvaluationWeights(), ...])

    A checkpoint has them as its "state_dict", so that whoever loads it for use has them, and those
    of the training under "training_state_dict": a training that goes on from it goes on as if it
    had not stopped, if its trainer has this callback. Optimizers that keep no such weights, and
    those of other libraries, are left alone.
    """

    def __init__(self) -> None:
        self._blocks = contextlib.ExitStack()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the weights to look at into the module."""
        self._enter(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring those of the training back."""
        self._blocks.close()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the weights to look at into the module."""
        self._enter(trainer)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring those of the training back."""
        self._blocks.close()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Bring those of the training back."""
        self._blocks.close()

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Write the weights to look at as the module's, and those of the training beside them."""
        self._blocks.close()
        checkpoint[_TRAINING] = _copied(pl_module)
        with contextlib.ExitStack() as blocks:
            for opt in own_optimizers(trainer.optimizers):
                blocks.enter_context(opt.evaluation())
            checkpoint["state_dict"] = _copied(pl_module)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on with the weights of the training."""
        if _TRAINING in checkpoint:
            pl_module.load_state_dict(checkpoint[_TRAINING])

    def _enter(self, trainer: Trainer) -> None:
        for opt in own_optimizers(trainer.optimizers):
            self._blocks.enter_context(opt.evaluation())


def _copied(module: LightningModule) -> dict[str, Any]:
    return {key: value.detach().clone() for key, value in module.state_dict().items()}
