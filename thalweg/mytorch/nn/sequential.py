"""Layers one after another."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from thalweg.mytorch.nn.module import Module

__all__ = ["Sequential"]


class Sequential(Module):
    """Each layer is given what the one before it gave.

    `Sequential(Linear(64, 32), ReLU())` calls its layers "0", "1", ...; a dict gives them names of
    their own. `module_dict` maps the names to the layers, in order.
    """

    def __init__(self, *layers: Module | Mapping[str, Module]) -> None:
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            named = dict(layers[0])
        else:
            named = {str(i): layer for i, layer in enumerate(layers)}  # type: ignore[misc]
        for name, layer in named.items():
            self._put(name, layer)

    def _put(self, name: str, layer: Module) -> None:
        if not isinstance(layer, Module):
            raise TypeError(f"Sequential: layer {name!r} must be a Module, got {layer!r}")
        if not isinstance(name, str) or not name or "." in name or hasattr(self, name):
            raise ValueError(
                f"Sequential: a layer's name must be new, not empty and without dots, got {name!r}"
            )
        setattr(self, name, layer)

    @property
    def module_dict(self) -> Mapping[str, Module]:
        """The layers by name, in order, to look at."""
        return MappingProxyType(dict(self.named_children()))

    def append(self, layer: Module) -> "Sequential":
        """Add a layer at the end, named by its position."""
        self._put(str(len(self)), layer)
        return self

    def forward(self, x: Any) -> Any:
        for layer in self:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.module_dict)

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    def __getitem__(self, index: int) -> Module:
        layers = list(self)
        if not -len(layers) <= index < len(layers):
            raise IndexError(f"Sequential: there are {len(layers)} layers, none is number {index}")
        return layers[index]
