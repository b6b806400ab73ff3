"""Made by scripts/write_stubs.py; `make stubs` writes it anew."""

from typing import Any, Literal

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from thalweg.optim.fused import FusedOptimizer, optimizer
from thalweg.optim.slow_weights import SlowWeights

__all__ = ["SGD", "Adam", "AdamW", "FusedOptimizer", "Optimizer", "RAdam", "Ranger", "optimizer"]

class SGD(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 0.001,
        momentum: float | Tensor = 0.0,
        dampening: float | Tensor = 0.0,
        weight_decay: float | Tensor = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None: ...

class Adam(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 0.001,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-08,
        weight_decay: float | Tensor = 0.0,
        amsgrad: bool = False,
        *,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None: ...

class AdamW(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 0.001,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-08,
        weight_decay: float | Tensor = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None: ...

class RAdam(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 0.001,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-08,
        weight_decay: float | Tensor = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None: ...

class Ranger(SlowWeights, FusedOptimizer):
    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 0.001,
        betas: tuple[float | Tensor, float | Tensor] = (0.95, 0.999),
        eps: float | Tensor = 1e-05,
        weight_decay: float | Tensor = 0.0,
        alpha: float | Tensor = 0.5,
        k: int = 6,
        n_sma_threshold: float | Tensor = 5.0,
        use_gc: bool = True,
        gc_conv_only: bool = False,
        *,
        gc_normalize: bool = False,
        warmup_mode: Literal["sgd", "skip"] = "sgd",
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        N_sma_threshhold: float | Tensor = ...,
    ) -> None: ...

def __getattr__(name: str) -> Any: ...  # whatever else torch.optim has
