"""Two things of one name: the module that torch has, and the maker of classes.

    from thalweg.optim.optimizer import Optimizer, ParamsT      # as from torch.optim.optimizer

    from thalweg.optim import optimizer
    Mine = optimizer(chain("Mine", Centralize, Adam))           # a module that can be called

What it does when it is called is told by `help(thalweg.optim.fused.optimizer)`.
"""

import inspect
import sys
from types import ModuleType

from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from thalweg.optim import fused
from thalweg.optim.fallback import from_torch

__all__ = [
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
]

__getattr__ = from_torch(__name__)


class _Maker(ModuleType):
    __call__ = staticmethod(fused.optimizer)


__signature__ = inspect.signature(fused.optimizer)
sys.modules[__name__].__class__ = _Maker
