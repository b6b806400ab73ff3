"""What every class made from a chain takes beside its settings: names, defaults, types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor
from torch.nn import Module
from torch.optim.optimizer import ParamsT

from thalweg.averaging import Average
from thalweg.optim.memory.states import STATE_TYPES

__all__ = ["EXTRAS", "FLAGS", "TYPES"]

# accepted by every class and kept in its groups, as torch's own classes have them
FLAGS: dict[str, Any] = {
    "foreach": None,
    "capturable": False,
    "differentiable": False,
    "fused": None,
}
# what torch's do not have
EXTRAS: dict[str, Any] = {"state_dtype": "param", "decay_filter": None, "average": None}
# of the arguments, for programs that read annotations
TYPES: dict[str, Any] = {
    "params": ParamsT | Module,
    "number": float | Tensor,
    "foreach": bool | None,
    "capturable": bool,
    "differentiable": bool,
    "fused": bool | None,
    "state_dtype": Literal[STATE_TYPES],
    "decay_filter": Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None,
    "average": Average | None,
}
