"""Copies of a model: with tensors of their own, and deep, or sharing all else with it."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from types import MethodType
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter

__all__ = ["Device", "borrowing", "copied"]

Device = int | str | torch.device


def copied(model: Module, device: Device | None) -> Module:
    """A deep copy, with every tensor straight on its device."""
    if device is None:
        return copy.deepcopy(model)
    return copy.deepcopy(model, _own_tensors(model, device)).to(device)


def _own_tensors(model: Module, device: Device | None) -> dict[int, Any]:
    """New parameters and buffers, by the ids of those they stand for."""
    found: dict[int, Any] = {}
    for tensor in itertools.chain(model.parameters(), model.buffers()):
        if type(tensor) not in (Tensor, Parameter):  # a subclass knows best how it is copied
            found[id(tensor)] = copy.deepcopy(tensor)
            continue
        own = tensor.detach().to(device, copy=True)
        if isinstance(tensor, Parameter):
            own = Parameter(own, tensor.requires_grad)
        found[id(tensor)] = own
    return found


def borrowing(model: Module, device: Device | None) -> Module:
    """New modules with tensors of their own, which share all else with the model's."""
    own = _own_tensors(model, device)
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise TypeError(
                "AveragedModel: shallow=True needs modules of Python, and "
                f"{name or 'the model'!r} is compiled by torch.jit; leave it out"
            )
        own[id(module)] = module.__new__(type(module))
    for module in model.modules():
        for name, value in vars(module).items():
            # past __setattr__, which registers what is there already
            vars(own[id(module)])[name] = _replaced(value, own, name in _OF_EVERY_MODULE)
    result: Module = own[id(model)].to(device) if device is not None else own[id(model)]
    return result


_OF_EVERY_MODULE = frozenset(vars(Module()))


def _replaced(value: Any, own: Mapping[int, Any], is_modules: bool) -> Any:
    """A module's attribute, with what the other module has of its own in place of the model's."""
    if id(value) in own:
        return own[id(value)]
    if isinstance(value, MethodType) and id(value.__self__) in own:
        return MethodType(value.__func__, own[id(value.__self__)])
    if isinstance(value, dict) and (is_modules or any(id(v) in own for v in value.values())):
        made = copy.copy(value)
        made.update((key, own.get(id(v), v)) for key, v in value.items())
        return made
    if type(value) in (list, tuple) and any(id(v) in own for v in value):
        return type(value)(own.get(id(v), v) for v in value)
    return copy.copy(value) if is_modules else value
