"""SGD, AdaGrad and Adam, which also take the arguments of the first Mytorch by name.

docs/mytorch/first_mytorch.md says in a table what differs from it.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from thalweg.border.help import section
from thalweg.chain import chain
from thalweg.mytorch.optim.optimizer import optimizer
from thalweg.number import is_number
from thalweg.optimizers import OPTIMIZERS
from thalweg.settings import Setting

__all__ = ["SGD", "AdaGrad", "Adam"]

_LR_DECAY = Setting(0.0, low=0, below=1)
_STEPS = Setting(0, low=0, high=2**53)
_STEPS_PER_DECAY = 100
_LARGE_RATE = 0.5  # what Adam's rate never is, and its betas always are


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


def _doc(name: str, more: str, of: Any, **keywords: Any) -> str:
    """The docstring of a class of the registry, its part `Differs:` taken further, and with what
    the arguments are of a class `of` that also takes these keywords."""
    # both without the indentation that Python leaves in a docstring up to 3.12, and no longer
    own = inspect.cleandoc(OPTIMIZERS[name].doc)
    more = inspect.cleandoc(f"From the first Mytorch: {more}")
    return f"{own}\n{more}\n\n{section(of.chain, {**of.arguments, **keywords})}\n"


def _warn_of_order(sentence: str) -> None:
    warnings.warn(sentence, UserWarning, stacklevel=3)


_SGD = optimizer(OPTIMIZERS["SGD"])


class SGD(_SGD):  # type: ignore[misc, valid-type]
    __doc__ = _doc(
        "SGD",
        f"""the second number is momentum, where it had lr_decay,
    and says so; lr_decay, a keyword, takes its share off at every {_STEPS_PER_DECAY}th step,
    lr_t = lr (1 - lr_decay)^floor(t / {_STEPS_PER_DECAY}), where there the shares of all steps
    were multiplied; every parameter moves, not those of Linear and Conv2d alone.""",
        _SGD,
        lr_decay=0.0,
    )

    @_keywords(_SGD, lr_decay=0.0)
    def __init__(self, params: Any, *args: Any, lr_decay: float = 0.0, **settings: Any) -> None:
        if len(args) > 1:
            _warn_of_order(
                f"SGD: the second number is momentum, as in torch; in the first Mytorch it was "
                f"lr_decay: write momentum={args[1]!r} or lr_decay={args[1]!r}"
            )
        self._own = {"lr_decay": lr_decay, "steps": 0}
        super().__init__(params, *args, **settings)

    def _check(self, settings: Mapping[str, Any]) -> None:
        super()._check(settings)
        _LR_DECAY.check("SGD: lr_decay", settings["lr_decay"])
        _STEPS.check("SGD: steps", settings["steps"])

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
AdaGrad.__doc__ = _doc(
    "Adagrad",
    """nothing but that every parameter moves; its order and its defaults
    are kept, eps = 1e-8 among them, where Adagrad has 1e-10.""",
    AdaGrad,
)

_Adam = optimizer(OPTIMIZERS["Adam"])


class Adam(_Adam):  # type: ignore[misc, valid-type]
    __doc__ = _doc(
        "Adam",
        """the first number is lr, where it had beta1, and a large one says
    so; beta1 and beta2, keywords, may be given in place of betas; the defaults are lr = 1e-3 and
    beta2 = 0.999, where it had 1e-2 and 0.99; the step follows m, where its code follows g, and t
    counts steps, where its code counts layers; eps is added after the bias correction.""",
        _Adam,
        beta1=None,
        beta2=None,
    )

    @_keywords(_Adam, beta1=None, beta2=None)
    def __init__(
        self,
        params: Any,
        *args: Any,
        beta1: float | None = None,
        beta2: float | None = None,
        **settings: Any,
    ) -> None:
        if len(args) > 1 and isinstance(args[1], float | int):
            raise TypeError(
                f"Adam: betas must be 2 numbers, got {args[1]!r}; in the first Mytorch the order "
                f"was beta1, beta2, lr, eps: write beta1={args[0]!r}, beta2={args[1]!r}"
            )
        if beta1 is not None or beta2 is not None:
            if "betas" in settings or len(args) > 1:
                raise TypeError("Adam: give either betas or beta1 and beta2")
            default = OPTIMIZERS["Adam"].settings["betas"].default
            given = zip((beta1, beta2), default, strict=True)
            settings["betas"] = tuple(own if one is None else one for one, own in given)
        if args and is_number(args[0]) and float(args[0]) >= _LARGE_RATE:
            _warn_of_order(
                f"Adam: the first number is lr, as in torch; in the first Mytorch it was beta1: "
                f"write lr={args[0]!r} or beta1={args[0]!r}"
            )
        super().__init__(params, *args, **settings)
