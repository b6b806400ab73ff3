"""Every optimizer of thalweg, on plain NumPy: the same rules, the same engine, torch's surface.

    from thalweg.mytorch import optim

    opt = optim.AdamW(model, lr=1e-3)
    opt.zero_grad()
    loss_of(model).backward()
    opt.step()

`optimizer(rule)` makes such a class out of any rule or chain, and `create("lion", model, lr=1e-4)`
an optimizer by its name, of which `names()` are all; `Scheduler` runs a schedule on one,
and `lr_scheduler` has torch's schedulers.
"""

from typing import Any

from thalweg.border.others import matrix_groups
from thalweg.mytorch.optim import lr_scheduler
from thalweg.mytorch.optim.by_name import create, names
from thalweg.mytorch.optim.classic import SGD, AdaGrad, Adam
from thalweg.mytorch.optim.lbfgs import LBFGS
from thalweg.mytorch.optim.optimizer import Optimizer, optimizer
from thalweg.mytorch.optim.scheduler import Scheduler
from thalweg.optimizers import OPTIMIZERS

__all__ = [
    "LBFGS",
    "SGD",
    "AdaGrad",
    "Adam",
    "Optimizer",
    "Scheduler",
    "create",
    "lr_scheduler",
    "matrix_groups",
    "names",
    "optimizer",
    *(name for name in OPTIMIZERS if name not in ("SGD", "Adam")),
]


def __getattr__(name: str) -> Any:
    """An optimizer of the registry, made when it is first asked for."""
    if name not in OPTIMIZERS:
        raise AttributeError(f"thalweg.mytorch.optim has no {name!r}")
    made = globals()[name] = optimizer(OPTIMIZERS[name])
    return made


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
