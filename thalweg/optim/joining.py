"""How a group of parameters joins an optimizer that has none: all of them looked at together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim.optimizer import required

__all__ = ["join"]

_torchs = torch.optim.Optimizer.add_param_group
_PLAIN = {Parameter, Tensor}
_is_leaf = attrgetter("is_leaf")


def join(opt: Any, group: dict[str, Any], add: Callable[[Any], None]) -> None:
    """Let a group join by `add`, the method that is next. Where that is torch's, which asks a
    parameter six things one by one, and nothing can be wrong with any, in a third of its time."""
    is_first = getattr(add, "__func__", None) is _torchs and not opt.param_groups
    if not (is_first and _has_all(opt.defaults) and _is_sound(group)):
        add(group)
        return
    for name, default in opt.defaults.items():
        group.setdefault(name, default)
    opt.param_groups.append(group)


def _has_all(defaults: Mapping[str, Any]) -> bool:
    """Whether no setting must be given by each group."""
    return not any([default is required for default in defaults.values()])


def _is_sound(group: Any) -> bool:
    """Whether these are plain leaves, each there once, without names; they are a new list then."""
    if not (isinstance(group, dict) and "params" in group and "param_names" not in group):
        return False
    if isinstance(group["params"], list | tuple):
        group["params"] = params = list(group["params"])
        is_plain = _PLAIN.issuperset(map(type, params)) and all(map(_is_leaf, params))
        return is_plain and len({*map(id, params)}) == len(params)
    return False
