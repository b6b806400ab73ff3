"""Layers by name, which belong to the network."""

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any

from thalweg.mytorch.nn.module import Module

__all__ = ["ModuleDict"]


class ModuleDict(Module):
    """A dict whose layers belong to the network: for one that chooses among them by name.

        self.heads = ModuleDict({"digit": Linear(32, 10), "is_odd": Linear(32, 1)})

    Differs: a name that Module itself uses, such as "train", is refused.
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        self.update(modules or {})

    def update(self, modules: Mapping[str, Module]) -> None:
        """Add layers, or put others in the place of those of the same names."""
        for name, layer in modules.items():
            self._check(name, layer)
        for name, layer in modules.items():
            setattr(self, name, layer)

    def pop(self, name: str) -> Module:
        """Take a layer out."""
        layer = self[name]
        del self[name]
        return layer

    def keys(self) -> KeysView[str]:
        return dict(self.named_children()).keys()

    def values(self) -> ValuesView[Module]:
        return dict(self.named_children()).values()

    def items(self) -> ItemsView[str, Module]:
        return dict(self.named_children()).items()

    def _check(self, name: str, layer: Any) -> None:
        if not isinstance(layer, Module):
            raise TypeError(f"ModuleDict: layer {name!r} must be a Module, got {layer!r}")
        is_taken = name not in self and hasattr(self, name)
        if not isinstance(name, str) or not name or "." in name or is_taken:
            raise ValueError(
                "ModuleDict: a layer's name must not be empty, have no dots and be none that "
                f"Module itself uses, got {name!r}"
            )

    def __getitem__(self, name: str) -> Module:
        if name not in self:
            raise KeyError(
                f"ModuleDict: there is no layer {name!r}, there are {', '.join(self) or 'none'}"
            )
        result: Module = getattr(self, name)
        return result

    def __setitem__(self, name: str, layer: Module) -> None:
        self.update({name: layer})

    def __delitem__(self, name: str) -> None:
        self[name]  # raises where there is none
        delattr(self, name)

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())
