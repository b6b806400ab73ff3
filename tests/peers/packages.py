"""Other packages' optimizers, by place: "package.module:Class"."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Any

import torch

__all__ = ["OfOptax", "optimizer_at", "package_of", "version_of"]

# what a package is called where it is installed, if not as it is imported
_INSTALLED_AS = {
    "adam_atan2_pytorch": "adam-atan2-pytorch",
    "adopt": "torch-adopt",
    "came_pytorch": "came-pytorch",
    "lion_pytorch": "lion-pytorch",
    "optimi": "torch-optimi",
}


def package_of(place: str) -> str:
    """The package of a place, as it is installed."""
    imported = place.partition(":")[0].partition(".")[0]
    return _INSTALLED_AS.get(imported, imported)


def version_of(place: str) -> str:
    """The package of a place and the version that is installed."""
    return f"{package_of(place)} {metadata.version(package_of(place))}"


def optimizer_at(place: str) -> Callable[..., Any]:
    """What makes an optimizer of another package."""
    module, _, name = place.partition(":")
    if module.partition(".")[0] == "optax":
        return lambda params, **settings: OfOptax(params, place, settings)
    if module.partition(".")[0] == "timm":
        _let_timm_stand_alone()
    if module == "heavyball":  # its steps as they are, without a compiler
        importlib.import_module("heavyball.utils").compile_mode = None  # type: ignore[attr-defined]
    return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


def _let_timm_stand_alone() -> None:
    """Let `timm.optim` be imported without the rest of timm.

    timm's own `__init__` imports its models, and they torchvision, whose compiled half fits only
    one build of torch. Of the models its optimizers ask for one function, for layer-wise rates,
    which nobody calls here.
    """
    if "timm" in sys.modules:
        return
    found = importlib.util.find_spec("timm")
    if found is None:
        raise ModuleNotFoundError("timm is not installed", name="timm")
    whole = types.ModuleType("timm")
    whole.__path__ = list(found.submodule_search_locations or ())
    models = types.ModuleType("timm.models")
    models.group_parameters = None  # type: ignore[attr-defined]
    sys.modules |= {"timm": whole, "timm.models": models}


class OfOptax:
    """A transformation of optax as an optimizer of torch tensors, in float64."""

    def __init__(
        self, params: Iterable[torch.Tensor], place: str, settings: dict[str, Any]
    ) -> None:
        import jax

        module, _, name = place.partition(":")
        self._numbers = jax.numpy
        with jax.enable_x64(True):
            self._params = list(params)
            self._rule = getattr(importlib.import_module(module), name)(**settings)
            self._state = self._rule.init(self._arrays(self._params))

    def _arrays(self, tensors: Iterable[torch.Tensor]) -> list[Any]:
        return [self._numbers.asarray(one.detach().numpy()) for one in tensors]

    @torch.no_grad()
    def step(self) -> None:
        import jax
        import numpy as np

        with jax.enable_x64(True):
            gradients = self._arrays(p.grad for p in self._params if p.grad is not None)
            updates, self._state = self._rule.update(
                gradients, self._state, self._arrays(self._params)
            )
            for p, update in zip(self._params, updates, strict=True):
                p += torch.from_numpy(np.array(update))
