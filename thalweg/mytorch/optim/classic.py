"""SGD, AdaGrad and Adam, which also take the arguments of the first Mytorch."""

from __future__ import annotations

from typing import Any

from thalweg.chain import chain
from thalweg.mytorch.optim.optimizer import optimizer
from thalweg.optimizers import OPTIMIZERS
from thalweg.settings import Setting

__all__ = ["SGD", "AdaGrad", "Adam"]

_LR_DECAY = Setting(0.0, low=0, below=1)
_STEPS_PER_DECAY = 100


class SGD(optimizer(OPTIMIZERS["SGD"])):  # type: ignore[misc]
    __doc__ = f"""{OPTIMIZERS["SGD"].doc}

    `lr_decay`, a keyword, takes its share off lr after every {_STEPS_PER_DECAY} steps:

        lr_t = lr (1 - lr_decay)^floor(t / {_STEPS_PER_DECAY})
    """

    def __init__(self, params: Any, *args: Any, lr_decay: float = 0.0, **settings: Any) -> None:
        _LR_DECAY.check("SGD: lr_decay", lr_decay)
        super().__init__(params, *args, **settings)
        self.defaults |= {"lr_decay": lr_decay, "steps": 0}
        for group in self.param_groups:
            group.setdefault("lr_decay", lr_decay)
            group.setdefault("steps", 0)

    def _now(self, group: dict[str, Any]) -> dict[str, Any]:
        if not group.get("lr_decay"):
            return group
        group["steps"] += 1
        share = (1 - group["lr_decay"]) ** (group["steps"] // _STEPS_PER_DECAY)
        return {**group, "lr": group["lr"] * share}


AdaGrad = optimizer(chain("AdaGrad", OPTIMIZERS["Adagrad"], signature="lr, eps", eps=1e-8))
AdaGrad.__doc__ = f"{OPTIMIZERS['Adagrad'].doc}\n\n    Here with eps = 1e-8."


class Adam(optimizer(OPTIMIZERS["Adam"])):  # type: ignore[misc]
    __doc__ = f"""{OPTIMIZERS["Adam"].doc}

    `beta1` and `beta2`, keywords, may be given in place of `betas`.
    """

    def __init__(
        self,
        params: Any,
        *args: Any,
        beta1: float | None = None,
        beta2: float | None = None,
        **settings: Any,
    ) -> None:
        if beta1 is not None or beta2 is not None:
            if "betas" in settings or len(args) > 1:
                raise TypeError("Adam: give either betas or beta1 and beta2")
            default = OPTIMIZERS["Adam"].settings["betas"].default
            given = zip((beta1, beta2), default, strict=True)
            settings["betas"] = tuple(own if one is None else one for one, own in given)
        super().__init__(params, *args, **settings)
