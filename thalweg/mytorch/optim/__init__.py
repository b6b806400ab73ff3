"""Every optimizer of thalweg, on plain NumPy: the same rules, the same engine, torch's surface.

    from thalweg.mytorch import optim

    opt = optim.AdamW(model, lr=1e-3)
    opt.zero_grad()
    loss_of(model).backward()
    opt.step()

`optimizer(rule)` makes such a class out of any rule or chain; `Scheduler` runs a schedule on one,
and `lr_scheduler` has torch's schedulers.
"""

from thalweg.mytorch.optim import lr_scheduler
from thalweg.mytorch.optim.classic import SGD, AdaGrad, Adam
from thalweg.mytorch.optim.optimizer import Optimizer, optimizer
from thalweg.mytorch.optim.scheduler import Scheduler
from thalweg.optimizers import OPTIMIZERS

__all__ = [
    "ASGD",
    "SGD",
    "AdaGrad",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Ranger",
    "Rprop",
    "Scheduler",
    "lr_scheduler",
    "optimizer",
]

Adadelta = optimizer(OPTIMIZERS["Adadelta"])
Adagrad = optimizer(OPTIMIZERS["Adagrad"])
AdamW = optimizer(OPTIMIZERS["AdamW"])
Adamax = optimizer(OPTIMIZERS["Adamax"])
ASGD = optimizer(OPTIMIZERS["ASGD"])
NAdam = optimizer(OPTIMIZERS["NAdam"])
RAdam = optimizer(OPTIMIZERS["RAdam"])
Ranger = optimizer(OPTIMIZERS["Ranger"])
RMSprop = optimizer(OPTIMIZERS["RMSprop"])
Rprop = optimizer(OPTIMIZERS["Rprop"])
