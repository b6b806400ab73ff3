"""Layers in order: one after another, or only kept."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar, overload

from thalweg.mytorch.nn.module import Module

__all__ = ["Layers", "ModuleList", "Sequential"]

_Self = TypeVar("_Self", bound="Layers")


class Layers(Module):
    """What Sequential and ModuleList share: a list of layers, each under a name."""

    def _put(self, name: str, layer: Module) -> None:
        self._check(name, layer)
        if not isinstance(name, str) or not name or "." in name or hasattr(self, name):
            raise ValueError(
                f"{type(self).__name__}: a layer's name must be new, not empty and without dots, "
                f"got {name!r}"
            )
        setattr(self, name, layer)

    def _check(self, name: str, layer: Any) -> None:
        if not isinstance(layer, Module):
            raise TypeError(
                f"{type(self).__name__}: layer {name!r} must be a Module, got {layer!r}"
            )

    @property
    def module_dict(self) -> Mapping[str, Module]:
        """The layers by name, in order, to look at."""
        return MappingProxyType(dict(self.named_children()))

    def append(self: _Self, layer: Module) -> _Self:
        """Add a layer at the end, named by its position, or by the next number that is free."""
        number = len(self)
        while hasattr(self, str(number)):
            number += 1
        self._put(str(number), layer)
        return self

    def extend(self: _Self, layers: Iterable[Module]) -> _Self:
        """Add layers at the end."""
        added = list(layers)
        for i, layer in enumerate(added, len(self)):
            self._check(str(i), layer)
        for layer in added:
            self.append(layer)
        return self

    def insert(self, index: int, layer: Module) -> None:
        """Put a layer in front of the one at `index`; those behind it get the next numbers."""
        self._check(str(index), layer)
        layers = list(self)
        layers.insert(index, layer)
        self._renew(layers, "insert")

    def pop(self, index: int = -1) -> Module:
        """Take a layer out."""
        layer = self[index]
        del self[index]
        return layer

    def _renew(self, layers: list[Module], verb: str) -> None:
        """Other layers in place of those that are there, named by their positions."""
        names = list(self.module_dict)
        named = [name for name in names if not name.isdecimal()]
        if named:
            raise ValueError(
                f"{type(self).__name__}.{verb}: the layers must be named by their positions, "
                f"got one named {named[0]!r}"
            )
        for name in names:
            delattr(self, name)
        for i, layer in enumerate(layers):
            setattr(self, str(i), layer)

    def _name_of(self, index: int) -> str:
        names = list(self.module_dict)
        if not -len(names) <= index < len(names):
            raise IndexError(
                f"{type(self).__name__}: there are {len(names)} layers, none is number {index}"
            )
        return names[index]

    def _some(self: _Self, chosen: Mapping[str, Module]) -> _Self:
        """Another of the same kind, of the same layers: they are not copied."""
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self: _Self, index: slice) -> _Self: ...
    def __getitem__(self, index: Any) -> Any:
        """A layer, or with a slice another list of the same layers."""
        if isinstance(index, slice):
            return self._some(dict(list(self.module_dict.items())[index]))
        return getattr(self, self._name_of(index))

    def __setitem__(self, index: int, layer: Module) -> None:
        name = self._name_of(index)
        self._check(name, layer)
        setattr(self, name, layer)

    def __delitem__(self, index: int | slice) -> None:
        """Take out a layer or a slice of them; those behind get the numbers that are free."""
        layers = list(self)
        if isinstance(index, int):
            self._name_of(index)
        del layers[index]
        self._renew(layers, "del")

    def __len__(self) -> int:
        return len(self.module_dict)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.module_dict.values())


class Sequential(Layers):
    """Each layer is given what the one before it gave.

    `Sequential(Linear(64, 32), ReLU())` calls its layers "0", "1", ...; a dict gives them names of
    their own. `module_dict` maps the names to the layers, in order. A slice, `model[:2]`, is a
    Sequential of the same layers under the same names.

    Differs: a slice of a subclass is a Sequential, where torch calls the subclass.
    """

    def __init__(self, *layers: Module | Mapping[str, Module]) -> None:
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            named = dict(layers[0])
        else:
            named = {str(i): layer for i, layer in enumerate(layers)}  # type: ignore[misc]
        for name, layer in named.items():
            self._put(name, layer)

    def _some(self, chosen: Mapping[str, Module]) -> "Sequential":
        return Sequential(chosen)

    def forward(self, x: Any) -> Any:
        for layer in self:
            x = layer(x)
        return x


class ModuleList(Layers):
    """A list whose layers belong to the network: for a forward pass that is written by hand.

        self.blocks = ModuleList(Block() for _ in range(4))

    It is indexed, sliced, walked through and added to as a list is. Layers in a plain list would
    not be found by `parameters()`.
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.extend(modules)

    def _some(self, chosen: Mapping[str, Module]) -> "ModuleList":
        return ModuleList(chosen.values())

    def __add__(self, other: Iterable[Module]) -> "ModuleList":
        return ModuleList([*self, *other])

    def __iadd__(self, other: Iterable[Module]) -> "ModuleList":
        return self.extend(other)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        raise NotImplementedError("ModuleList has no forward: call its layers one by one")
