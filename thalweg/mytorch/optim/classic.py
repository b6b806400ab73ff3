"""SGD, AdaGrad and Adam, which also take the arguments of the first Mytorch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from thalweg.chain import chain
from thalweg.mytorch.optim.optimizer import optimizer
from thalweg.optimizers import OPTIMIZERS
from thalweg.settings import Setting

__all__ = ["SGD", "AdaGrad", "Adam"]

_LR_DECAY = Setting(0.0, low=0, below=1)
_STEPS_PER_DECAY = 100


def _keywords(of: type, **defaults: Any) -> Callable[[Any], Any]:
    """Show the signature of a class, with further keywords, for an `__init__` that passes it on."""
    shown = inspect.signature(of.__init__)  # type: ignore[misc]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in defaults.items()
    ]

    def put(function: Any) -> Any:
        function.__signature__ = shown.replace(parameters=[*shown.parameters.values(), *more])
        return function

    return put


_SGD = optimizer(OPTIMIZERS["SGD"])


class SGD(_SGD):  # type: ignore[misc, valid-type]
    __doc__ = f"""{OPTIMIZERS["SGD"].doc}
    Besides: `lr_decay`, a keyword, takes its share off the rate at every {_STEPS_PER_DECAY}th step,

        lr_t = lr (1 - lr_decay)^floor(t / {_STEPS_PER_DECAY})
    """

    @_keywords(_SGD, lr_decay=0.0)
    def __init__(self, params: Any, *args: Any, lr_decay: float = 0.0, **settings: Any) -> None:
        self._own = {"lr_decay": lr_decay, "steps": 0}
        super().__init__(params, *args, **settings)

    def _check(self, settings: Mapping[str, Any]) -> None:
        super()._check(settings)
        _LR_DECAY.check("SGD: lr_decay", settings["lr_decay"])

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = super().step(closure)
        for group in self.param_groups:
            group["steps"] += bool(group["lr_decay"])
        return loss

    def _now(self, group: Mapping[str, Any]) -> Mapping[str, Any]:
        if not group["lr_decay"]:
            return group
        share = (1 - group["lr_decay"]) ** ((group["steps"] + 1) // _STEPS_PER_DECAY)
        return {**group, "lr": float(group["lr"]) * share}


AdaGrad = optimizer(chain("AdaGrad", OPTIMIZERS["Adagrad"], signature="lr, eps", eps=1e-8))
AdaGrad.__doc__ = f"{OPTIMIZERS['Adagrad'].doc}\n    Here with eps = 1e-8.\n    "

_Adam = optimizer(OPTIMIZERS["Adam"])


class Adam(_Adam):  # type: ignore[misc, valid-type]
    __doc__ = f"""{OPTIMIZERS["Adam"].doc}
    Besides: `beta1` and `beta2`, keywords, may be given in place of `betas`.
    """

    @_keywords(_Adam, beta1=None, beta2=None)
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
