"""torch's learning-rate schedulers for optimizers on NumPy, over the curves of `thalweg.schedules`.

    from thalweg.mytorch.optim import lr_scheduler

    scheduler = lr_scheduler.ReduceLROnPlateau(opt, patience=3)

Every class of `torch.optim.lr_scheduler` under its own name, with its arguments and its values, and
`param=` for another setting than the rate. For a schedule that is written as one expression,
`warmup(500) >> cosine(10_000)`, take `thalweg.mytorch.optim.Scheduler`.
"""

from thalweg.mytorch.optim.lr_scheduler.base import LRScheduler
from thalweg.mytorch.optim.lr_scheduler.composed import ChainedScheduler, SequentialLR
from thalweg.mytorch.optim.lr_scheduler.curves import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from thalweg.mytorch.optim.lr_scheduler.cycles import (
    CosineAnnealingWarmRestarts,
    CyclicLR,
    OneCycleLR,
)
from thalweg.mytorch.optim.lr_scheduler.plateau import ReduceLROnPlateau
from thalweg.mytorch.optim.lr_scheduler.swa import SWALR

__all__ = [
    "SWALR",
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
