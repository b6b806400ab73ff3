"""Hyper-parameters as functions of the step: pure, each curve written once.

    from thalweg.schedules import cosine, warmup

    schedule = warmup(500) >> cosine(10_000, floor=0.1)
    lr = 3e-4 * schedule(t)

`thalweg.optim.lr_scheduler.ScheduleLR` runs one on an optimizer, for the learning rate or any
other hyper-parameter.
"""

from thalweg.schedules.annealing import cosine, cosine_restarts, cosine_wave
from thalweg.schedules.cycles import cyclic, one_cycle
from thalweg.schedules.decay import exponential, multistep, step_decay
from thalweg.schedules.inverse_sqrt import inverse_sqrt
from thalweg.schedules.per_group import PerGroup, per_group
from thalweg.schedules.polynomial import polynomial
from thalweg.schedules.ramp import linear, warmup
from thalweg.schedules.schedule import Schedule, constant
from thalweg.schedules.stable import cooldown, flat_cosine, warmup_stable_decay

__all__ = [
    "PerGroup",
    "Schedule",
    "constant",
    "cooldown",
    "cosine",
    "cosine_restarts",
    "cosine_wave",
    "cyclic",
    "exponential",
    "flat_cosine",
    "inverse_sqrt",
    "linear",
    "multistep",
    "one_cycle",
    "per_group",
    "polynomial",
    "step_decay",
    "warmup",
    "warmup_stable_decay",
]
