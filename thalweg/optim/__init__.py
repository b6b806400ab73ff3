"""The torch border: drop-in classes for `torch.optim`, over the fused pass.

    import thalweg.optim as optim

`optimizer(rule)` makes such a class out of any rule or chain. What this module does not define is
torch's own, so that the import above can replace `import torch.optim as optim`.
"""

from typing import Any

try:
    import torch.optim as _torch_optim
except ModuleNotFoundError as error:
    if error.name not in ("torch", "torch.optim"):
        raise
    sentence = "thalweg.optim needs torch: pip install 'thalweg[torch]'"
    raise ModuleNotFoundError(sentence, name="torch") from None
from torch.optim import Optimizer

from thalweg.border.groups import no_bias_norm
from thalweg.optim import lr_scheduler, swa_utils
from thalweg.optim.base import BaseOptimizer
from thalweg.optim.fused import FusedOptimizer, optimizer
from thalweg.optim.lbfgs import LBFGS
from thalweg.optim.matrices.adafactor import Adafactor
from thalweg.optim.matrices.muon import Muon
from thalweg.optimizers import OPTIMIZERS

__all__ = [
    "LBFGS",
    "Adafactor",
    "BaseOptimizer",
    "FusedOptimizer",
    "Muon",
    "Optimizer",
    "lr_scheduler",
    "no_bias_norm",
    "optimizer",
    "swa_utils",
    *OPTIMIZERS,
]


def __getattr__(name: str) -> Any:
    """An optimizer of the registry, made when it is first asked for; else what is torch's, such as
    the names of later versions."""
    if name in OPTIMIZERS:
        made = globals()[name] = optimizer(OPTIMIZERS[name])
        return made
    if name.startswith("__") or not hasattr(_torch_optim, name):
        raise AttributeError(f"neither thalweg.optim nor torch.optim has {name!r}")
    return getattr(_torch_optim, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_torch_optim.__all__})
