"""What a training was like, in plain arrays."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["History"]


@dataclass(frozen=True, eq=False)
class History:
    """What `fit` gives back: numbers of each batch and of each epoch that was finished.

    `stopped` is empty if all epochs were; otherwise it says why not.
    """

    loss: np.ndarray
    """The mean training loss of each epoch."""
    batch_loss: np.ndarray
    """The training loss of each batch."""
    lr: np.ndarray
    """The first group's lr at each batch."""
    steps: np.ndarray
    """The number of batches done by the end of each epoch."""
    seconds: np.ndarray
    """How long each epoch took, its validation included."""
    metrics: dict[str, np.ndarray] = field(default_factory=dict)
    """Of each epoch's training, as it went, by name."""
    validation_loss: np.ndarray = field(default_factory=lambda: np.empty(0))
    """The loss after each epoch; empty without validation."""
    validation_metrics: dict[str, np.ndarray] = field(default_factory=dict)
    """The metrics after each epoch; empty without validation."""
    stopped: str = ""

    def __len__(self) -> int:
        """The number of epochs."""
        return len(self.loss)

    def plot(self, axes: Any = None) -> Any:
        """Draw the losses and the metrics; needs matplotlib.

        Returns the figure, `history.plot().savefig("loss.png")`: a new one, or that of `axes`, into
        which then only the losses are drawn.
        """
        try:
            from thalweg.pictures.history import plot_history
        except ImportError as error:
            if error.name is None or error.name.partition(".")[0] != "matplotlib":
                raise
            raise ImportError(
                "History.plot: pictures need matplotlib: pip install 'thalweg[lab]'"
            ) from None
        return plot_history(self, axes)
