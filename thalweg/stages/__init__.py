"""What stands around a rule, in the same pass: one stage per file."""

from thalweg.stages.average import EqualAverage, ExponentialAverage
from thalweg.stages.centralize import Centralize
from thalweg.stages.clip import ClipNorm, ClipValue
from thalweg.stages.decay import Decay, DecoupledDecay
from thalweg.stages.lookahead import Lookahead
from thalweg.stages.maximize import Maximize

__all__ = [
    "Centralize",
    "ClipNorm",
    "ClipValue",
    "Decay",
    "DecoupledDecay",
    "EqualAverage",
    "ExponentialAverage",
    "Lookahead",
    "Maximize",
]
