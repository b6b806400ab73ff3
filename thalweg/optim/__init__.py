"""The torch border: drop-in classes for `torch.optim`, over the fused pass.

    import thalweg.optim as optim

`optimizer(rule)` makes such a class out of any rule or chain. What this module does not define is
torch's own, so that the import above can replace `import torch.optim as optim`.
"""

from typing import Any

import torch.optim as _torch_optim
from torch.optim import Optimizer

from thalweg.groups import no_bias_norm
from thalweg.optim import lr_scheduler, swa_utils
from thalweg.optim.adafactor import Adafactor
from thalweg.optim.base import BaseOptimizer
from thalweg.optim.fused import FusedOptimizer, optimizer
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
    "no_bias_norm",
    "optimizer",
    "swa_utils",
]

# beside the settings, what torch's constructors take by position
Adadelta = optimizer(OPTIMIZERS["Adadelta"], "foreach")
Adagrad = optimizer(OPTIMIZERS["Adagrad"], "foreach")
Adam = optimizer(OPTIMIZERS["Adam"])
AdamW = optimizer(OPTIMIZERS["AdamW"])
Adamax = optimizer(OPTIMIZERS["Adamax"], "foreach")
ASGD = optimizer(OPTIMIZERS["ASGD"], "foreach, maximize, differentiable, capturable")
NAdam = optimizer(OPTIMIZERS["NAdam"])
RAdam = optimizer(OPTIMIZERS["RAdam"])
Ranger = optimizer(OPTIMIZERS["Ranger"])
RMSprop = optimizer(OPTIMIZERS["RMSprop"], "capturable, foreach, maximize, differentiable")
Rprop = optimizer(OPTIMIZERS["Rprop"])
SGD = optimizer(OPTIMIZERS["SGD"])
SparseAdam = optimizer(OPTIMIZERS["SparseAdam"], "maximize")


def __getattr__(name: str) -> Any:
    """Names of torch.optim that are not ours, such as those of later versions."""
    if name.startswith("__") or not hasattr(_torch_optim, name):
        raise AttributeError(f"neither thalweg.optim nor torch.optim has {name!r}")
    return getattr(_torch_optim, name)
