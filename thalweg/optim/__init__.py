"""The torch border: drop-in classes for `torch.optim`, over the fused pass.

    import thalweg.optim as optim

`optimizer(rule)` makes such a class out of any rule or chain, and `create("lion", model, lr=1e-4)`
an optimizer by its name, of which `names()` are all. What this module does not define is
torch's own, so that the import above can replace `import torch.optim as optim`. So it is with the
modules inside: `from thalweg.optim.adamw import AdamW` and `from thalweg.optim.optimizer import
Optimizer` do what they do in torch (`optimizer` is a module that can be called).

Each class is a subclass of torch's of its name, for those who ask `isinstance(opt,
torch.optim.AdamW)`; nothing of torch's class runs.
"""

from typing import Any

try:
    from torch import optim as _torchs
except ModuleNotFoundError as error:
    if error.name not in ("torch", "torch.optim"):
        raise
    sentence = "thalweg.optim needs torch: pip install 'thalweg[torch]'"
    raise ModuleNotFoundError(sentence, name="torch") from None
from torch.optim import Optimizer, swap_in_optimizer_params_and_state

from thalweg.border.groups import no_bias_norm
from thalweg.border.others import matrix_groups
from thalweg.optim import fused, lr_scheduler, optimizer, swa_utils
from thalweg.optim.base import BaseOptimizer
from thalweg.optim.by_name import create, names
from thalweg.optim.fallback import from_torch
from thalweg.optim.fused import FusedOptimizer
from thalweg.optim.lbfgs import LBFGS
from thalweg.optim.offloaded import OffloadedOptimizer, offload
from thalweg.optimizers import OPTIMIZERS

__all__ = [
    "LBFGS",
    "BaseOptimizer",
    "FusedOptimizer",
    "OffloadedOptimizer",
    "Optimizer",
    "create",
    "lr_scheduler",
    "matrix_groups",
    "names",
    "no_bias_norm",
    "offload",
    "optimizer",
    "swa_utils",
    "swap_in_optimizer_params_and_state",
    *OPTIMIZERS,
]

_of_torch = from_torch(__name__)


def __getattr__(name: str) -> Any:
    """An optimizer of the registry, made when it is first asked for; else what is torch's, such as
    the names of later versions."""
    if name in OPTIMIZERS:
        like = getattr(_torchs, name, None)
        made = globals()[name] = fused.optimizer(OPTIMIZERS[name], like)
        return made
    return _of_torch(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_torchs.__all__})
