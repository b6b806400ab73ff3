"""The torch border: drop-in classes for `torch.optim`, over the fused pass.

    import thalweg.optim as optim

`optimizer(rule)` makes such a class out of any rule or chain. What this module does not define is
torch's own, so that the import above can replace `import torch.optim as optim`. So it is with the
modules inside: `from thalweg.optim.adamw import AdamW` and `from thalweg.optim.optimizer import
Optimizer` do what they do in torch (`optimizer` is a module that can be called).

Each class is a subclass of torch's of its name, for those who ask `isinstance(opt,
torch.optim.AdamW)`; nothing of torch's class runs.
"""

from torch import optim as _torchs
from torch.optim import Optimizer, swap_in_optimizer_params_and_state

from thalweg.optim import lr_scheduler, optimizer, swa_utils
from thalweg.optim.adafactor import Adafactor
from thalweg.optim.base import BaseOptimizer
from thalweg.optim.fallback import from_torch
from thalweg.optim.fused import FusedOptimizer
from thalweg.optim.lbfgs import LBFGS
from thalweg.optim.muon import Muon
from thalweg.optimizers import OPTIMIZERS

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "BaseOptimizer",
    "FusedOptimizer",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Ranger",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
    "optimizer",
    "swa_utils",
    "swap_in_optimizer_params_and_state",
]

# beside the settings, what torch's constructors take by position
Adadelta = optimizer(OPTIMIZERS["Adadelta"], "foreach", _torchs.Adadelta)
Adagrad = optimizer(OPTIMIZERS["Adagrad"], "foreach", _torchs.Adagrad)
Adam = optimizer(OPTIMIZERS["Adam"], like=_torchs.Adam)
AdamW = optimizer(OPTIMIZERS["AdamW"], like=_torchs.AdamW)
Adamax = optimizer(OPTIMIZERS["Adamax"], "foreach", _torchs.Adamax)
ASGD = optimizer(OPTIMIZERS["ASGD"], "foreach, maximize, differentiable, capturable", _torchs.ASGD)
NAdam = optimizer(OPTIMIZERS["NAdam"], like=_torchs.NAdam)
RAdam = optimizer(OPTIMIZERS["RAdam"], like=_torchs.RAdam)
Ranger = optimizer(OPTIMIZERS["Ranger"])
RMSprop = optimizer(
    OPTIMIZERS["RMSprop"], "capturable, foreach, maximize, differentiable", _torchs.RMSprop
)
Rprop = optimizer(OPTIMIZERS["Rprop"], like=_torchs.Rprop)
SGD = optimizer(OPTIMIZERS["SGD"], like=_torchs.SGD)
SparseAdam = optimizer(OPTIMIZERS["SparseAdam"], "maximize", _torchs.SparseAdam)

__getattr__ = from_torch(__name__)
