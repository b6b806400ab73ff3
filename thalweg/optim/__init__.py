"""The torch border: drop-in classes for `torch.optim`, over the fused pass.

    import thalweg.optim as optim

`optimizer(rule)` makes such a class out of any rule or chain. What this module does not define
yet is torch's own, so that the import above can replace `import torch.optim as optim`.
"""

from typing import Any

import torch.optim as _torch_optim
from torch.optim import Optimizer

from thalweg.optim.fused import FusedOptimizer, optimizer
from thalweg.optimizers import OPTIMIZERS

__all__ = ["SGD", "Adam", "AdamW", "FusedOptimizer", "Optimizer", "RAdam", "Ranger", "optimizer"]

SGD = optimizer(OPTIMIZERS["SGD"])
Adam = optimizer(OPTIMIZERS["Adam"])
AdamW = optimizer(OPTIMIZERS["AdamW"])
RAdam = optimizer(OPTIMIZERS["RAdam"])
Ranger = optimizer(OPTIMIZERS["Ranger"])


def __getattr__(name: str) -> Any:
    """Names of torch.optim that are not ours yet, such as `lr_scheduler` and `LBFGS`."""
    if name.startswith("__") or not hasattr(_torch_optim, name):
        raise AttributeError(f"neither thalweg.optim nor torch.optim has {name!r}")
    return getattr(_torch_optim, name)
