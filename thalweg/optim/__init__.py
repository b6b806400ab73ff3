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

import gc
import importlib
from typing import Any

try:
    from torch import optim as _torchs
except ModuleNotFoundError as error:
    if error.name not in ("torch", "torch.optim"):
        raise
    sentence = "thalweg.optim needs torch: pip install 'thalweg[torch]'"
    raise ModuleNotFoundError(sentence, name="torch") from None
from torch.optim import Optimizer, swap_in_optimizer_params_and_state

# After torch's import the next few thousand objects, whoever makes them, have Python's collector
# look at all that torch made: half of the time of this import, and nothing is found.
_collects = gc.isenabled()
gc.disable()
try:
    from thalweg.border.groups import no_bias_norm
    from thalweg.optim import fused
    from thalweg.optim.base import BaseOptimizer
    from thalweg.optim.fallback import from_torch
    from thalweg.optim.fused import FusedOptimizer
    from thalweg.optimizers import OPTIMIZERS
finally:
    if _collects:
        gc.enable()

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
    "traffic",
    *OPTIMIZERS,
]

_of_torch = from_torch(__name__)

# what many programs never ask for, and the module it is in: a module alone is asked for itself
_LATER = {
    "LBFGS": "thalweg.optim.lbfgs",
    "OffloadedOptimizer": "thalweg.optim.offloaded",
    "create": "thalweg.optim.by_name",
    "lr_scheduler": "",
    "matrix_groups": "thalweg.border.others",
    "names": "thalweg.optim.by_name",
    "offload": "thalweg.optim.offloaded",
    "optimizer": "",
    "swa_utils": "",
    "traffic": "thalweg.optim.memory.traffic",
}


def __getattr__(name: str) -> Any:
    """An optimizer of the registry, made when it is first asked for, and what else comes later; or
    what is torch's, such as the names of later versions."""
    if name in _LATER:
        module = importlib.import_module(_LATER[name] or f"{__name__}.{name}")
        found = getattr(module, name) if _LATER[name] else module
    elif name in OPTIMIZERS:
        found = fused.optimizer(OPTIMIZERS[name], getattr(_torchs, name, None))
    else:
        return _of_torch(name)
    return globals().setdefault(name, found)  # of threads that ask at once, all get the first's


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_torchs.__all__})
