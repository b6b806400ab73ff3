"""Which rate a range test suggests, and why: from the smoothed loss over the log of the rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Suggestion", "smoothed", "suggest"]

_SHARE = 0.1  # of the steps, that a mean is taken over

# The least fall of the loss that is no accident, in standard errors of a mean over so many steps.
_CLEAR = 5.0


@dataclass(frozen=True)
class Suggestion:
    """A rate to begin with and why; None where the test shows none.

    `steepest` is where the loss falls fastest, `lowest` where it is lowest, and `breaks` where it
    has risen again by half of what it fell.
    """

    lr: float | None
    reason: str
    steepest: float | None = None
    lowest: float | None = None
    breaks: float | None = None


def smoothed(loss: NDArray[np.float64]) -> NDArray[np.float64]:
    """The centred mean over a tenth of the steps, of those that are there at the ends; not finite
    where one of them is not."""
    half = max(1, round(_SHARE * len(loss) / 2))
    return np.array([loss[max(0, i - half) : i + half + 1].mean() for i in range(len(loss))])


def suggest(
    lr: NDArray[np.float64],
    smooth: NDArray[np.float64],
    loss: NDArray[np.float64],
    has_ended: bool,
) -> Suggestion:
    """Where the loss falls fastest for a rate that grows by the same factor at every step."""
    finite = np.isfinite(smooth)
    last = len(smooth) if finite.all() else int(np.argmin(finite))
    lr, smooth, loss = lr[:last], smooth[:last], loss[:last]
    if last < 5:
        return Suggestion(None, "The loss is not finite from the first steps on: lower --low.")
    lowest = int(np.argmin(smooth))
    fall = float(smooth[0] - smooth[lowest])
    if fall < _least_fall(smooth, loss):
        said = "The loss does not fall at any of these rates by more than it scatters"
        return Suggestion(None, f"{said}: more steps, or another range, may show more.")
    slopes = np.gradient(smooth, np.log10(lr))[: lowest + 1]
    steepest = int(np.argmin(slopes))
    behind = np.flatnonzero(smooth[lowest:] > smooth[lowest] + fall / 2)
    breaks = float(lr[lowest + behind[0]]) if behind.size else None
    rate = float(lr[steepest])
    reason = f"The loss falls fastest at {rate:.2g}, and is lowest at {lr[lowest]:.2g}"
    if breaks is not None:
        reason += f"; from {breaks:.2g} on it is lost again."
    elif has_ended:
        reason += f"; at {lr[-1]:.2g} the training breaks."
    else:
        reason += ", where the test ends: a higher --high may show a higher rate."
    return Suggestion(rate, reason, rate, float(lr[lowest]), breaks)


def _least_fall(smooth: NDArray[np.float64], loss: NDArray[np.float64]) -> float:
    """What the smoothed loss could fall by chance, by how much batches differ from their mean."""
    scatter = float(np.median(np.abs(loss - smooth))) * 1.4826  # of a normal spread
    return _CLEAR * scatter / math.sqrt(max(1.0, _SHARE * len(loss)))
