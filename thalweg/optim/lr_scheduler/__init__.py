"""torch's learning-rate schedulers, over the curves of `thalweg.schedules`.

    from thalweg.optim.lr_scheduler import CosineAnnealingLR, ScheduleLR

Every class of `torch.optim.lr_scheduler` under its own name, with its arguments, its state and
its values; and `ScheduleLR`, which runs a functional schedule. All drive torch's optimizers as
well as thalweg's, and take `param=` to schedule another hyper-parameter than `lr`. `LRScheduler`
is torch's own, so that `isinstance` means the same on both sides; `Scheduler` is the base to
derive from for a scheduler with `param=`. Each class is a subclass of torch's of its name, of which
nothing runs.
"""

from torch.optim.lr_scheduler import LRScheduler

from thalweg.optim.fallback import from_torch
from thalweg.optim.lr_scheduler.composed import ChainedScheduler, SequentialLR
from thalweg.optim.lr_scheduler.cosines import CosineAnnealingLR, CosineAnnealingWarmRestarts
from thalweg.optim.lr_scheduler.cycles import CyclicLR, OneCycleLR
from thalweg.optim.lr_scheduler.decays import ExponentialLR, MultiStepLR, StepLR
from thalweg.optim.lr_scheduler.functions import LambdaLR, MultiplicativeLR, ScheduleLR
from thalweg.optim.lr_scheduler.plateau import ReduceLROnPlateau
from thalweg.optim.lr_scheduler.ramps import ConstantLR, LinearLR, PolynomialLR
from thalweg.optim.lr_scheduler.scheduler import Scheduler
from thalweg.optim.lr_scheduler.swa import SWALR

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
    "ScheduleLR",
    "Scheduler",
    "SequentialLR",
    "StepLR",
]

__getattr__ = from_torch(__name__)
