"""Made by scripts/write_stubs.py; `make stubs` writes it anew."""

# mypy: disable-error-code="misc, override"

from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor
from torch import optim as _torchs
from torch.nn import Module
from torch.optim import Optimizer, swap_in_optimizer_params_and_state
from torch.optim.optimizer import ParamsT

from thalweg.averaging import Average
from thalweg.border.asking import AskingSteps
from thalweg.border.copies import SlowWeights
from thalweg.border.groups import no_bias_norm
from thalweg.optim import lr_scheduler, swa_utils
from thalweg.optim.base import BaseOptimizer
from thalweg.optim.by_name import create, names
from thalweg.optim.fused import FusedOptimizer, optimizer
from thalweg.optim.lbfgs.optimizer import LBFGS
from thalweg.optim.matrices.adafactor import Adafactor

__all__ = [
    "ASGD",
    "CAME",
    "LAMB",
    "LARS",
    "LBFGS",
    "SAM",
    "SGD",
    "SOAP",
    "AdaBelief",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamMini",
    "AdamW",
    "Adamax",
    "BaseOptimizer",
    "CautiousAdamW",
    "CautiousLion",
    "FusedOptimizer",
    "Grams",
    "Lion",
    "Muon",
    "NAdam",
    "NovoGrad",
    "Optimizer",
    "Prodigy",
    "RAdam",
    "RMSprop",
    "Ranger",
    "Rprop",
    "ScheduleFreeAdamW",
    "Shampoo",
    "Sophia",
    "SparseAdam",
    "StableAdamW",
    "create",
    "lr_scheduler",
    "names",
    "no_bias_norm",
    "optimizer",
    "swa_utils",
    "swap_in_optimizer_params_and_state",
]

class ASGD(FusedOptimizer, _torchs.ASGD):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.01,
        lambd: float | Tensor = 0.0001,
        alpha: float | Tensor = 0.75,
        t0: float | Tensor = 1000000.0,
        weight_decay: float | Tensor = 0.0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
        *,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class AdaBelief(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.001,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-16,
        weight_decay: float | Tensor = 0.0,
        rectify: bool = True,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Adadelta(FusedOptimizer, _torchs.Adadelta):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 1.0,
        rho: float | Tensor = 0.9,
        eps: float | Tensor = 1e-06,
        weight_decay: float | Tensor = 0.0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Adagrad(FusedOptimizer, _torchs.Adagrad):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.01,
        lr_decay: float | Tensor = 0.0,
        weight_decay: float | Tensor = 0.0,
        initial_accumulator_value: float | Tensor = 0.0,
        eps: float | Tensor = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Adam(FusedOptimizer, _torchs.Adam):
    def __init__(
        self,
        params: ParamsT | Module,
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
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class AdamMini(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.001,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-08,
        weight_decay: float | Tensor = 0.0,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class AdamW(FusedOptimizer, _torchs.AdamW):
    def __init__(
        self,
        params: ParamsT | Module,
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
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Adamax(FusedOptimizer, _torchs.Adamax):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.002,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-08,
        weight_decay: float | Tensor = 0.0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class CAME(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.0002,
        eps: tuple[float | Tensor, float | Tensor] = (1e-30, 1e-16),
        clip_threshold: float | Tensor = 1.0,
        betas: tuple[float | Tensor, ...] = (0.9, 0.999, 0.9999),
        weight_decay: float | Tensor = 0.0,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class CautiousAdamW(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.001,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-08,
        weight_decay: float | Tensor = 0.01,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class CautiousLion(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.0001,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.99),
        weight_decay: float | Tensor = 0.0,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Grams(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.001,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-08,
        weight_decay: float | Tensor = 0.0,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class LAMB(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.001,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-06,
        weight_decay: float | Tensor = 0.0,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class LARS(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 1.0,
        momentum: float | Tensor = 0.9,
        weight_decay: float | Tensor = 0.0,
        trust: float | Tensor = 0.001,
        eps: float | Tensor = 1e-08,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Lion(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.0001,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.99),
        weight_decay: float | Tensor = 0.0,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Muon(FusedOptimizer, _torchs.Muon):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.001,
        weight_decay: float | Tensor = 0.1,
        momentum: float | Tensor = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float | Tensor, ...] = (3.4445, -4.775, 2.0315),
        eps: float | Tensor = 1e-07,
        ns_steps: int = 5,
        adjust_lr_fn: Literal["original", "match_rms_adamw", None] = "original",
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class NAdam(FusedOptimizer, _torchs.NAdam):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.002,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-08,
        weight_decay: float | Tensor = 0.0,
        momentum_decay: float | Tensor = 0.004,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class NovoGrad(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.01,
        betas: tuple[float | Tensor, float | Tensor] = (0.95, 0.98),
        eps: float | Tensor = 1e-08,
        weight_decay: float | Tensor = 0.0,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Prodigy(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 1.0,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-08,
        weight_decay: float | Tensor = 0.0,
        d0: float | Tensor = 1e-06,
        d_coef: float | Tensor = 1.0,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class RAdam(FusedOptimizer, _torchs.RAdam):
    def __init__(
        self,
        params: ParamsT | Module,
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
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class RMSprop(FusedOptimizer, _torchs.RMSprop):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.01,
        alpha: float | Tensor = 0.99,
        eps: float | Tensor = 1e-08,
        weight_decay: float | Tensor = 0.0,
        momentum: float | Tensor = 0.0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        *,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Ranger(SlowWeights, FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
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
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
        N_sma_threshhold: float | Tensor = ...,
    ) -> None: ...

class Rprop(FusedOptimizer, _torchs.Rprop):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.01,
        etas: tuple[float | Tensor, float | Tensor] = (0.5, 1.2),
        step_sizes: tuple[float | Tensor, float | Tensor] = (1e-06, 50.0),
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class SAM(AskingSteps, FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.001,
        momentum: float | Tensor = 0.0,
        weight_decay: float | Tensor = 0.0,
        nesterov: bool = False,
        *,
        rho: float | Tensor = 0.05,
        adaptive: bool = False,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class SGD(FusedOptimizer, _torchs.SGD):
    def __init__(
        self,
        params: ParamsT | Module,
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
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class SOAP(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.003,
        betas: tuple[float | Tensor, float | Tensor] = (0.95, 0.95),
        shampoo_beta: float | Tensor = 0.95,
        eps: float | Tensor = 1e-08,
        weight_decay: float | Tensor = 0.01,
        precondition_frequency: int = 10,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class ScheduleFreeAdamW(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.0025,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-08,
        weight_decay: float | Tensor = 0.0,
        warmup_steps: int = 0,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Shampoo(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.1,
        eps: float | Tensor = 0.0001,
        precondition_frequency: int = 1,
        *,
        others_lr: float | Tensor = 0.001,
        others_betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        others_eps: float | Tensor = 1e-08,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Sophia(AskingSteps, FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.0001,
        betas: tuple[float | Tensor, float | Tensor] = (0.965, 0.99),
        rho: float | Tensor = 0.04,
        weight_decay: float | Tensor = 0.0,
        batch_size: int = 5120,
        k: int = 10,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class SparseAdam(FusedOptimizer, _torchs.SparseAdam):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.001,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float | Tensor = 1e-08,
        maximize: bool = False,
        *,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class StableAdamW(FusedOptimizer):
    def __init__(
        self,
        params: ParamsT | Module,
        lr: float | Tensor = 0.001,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.99),
        eps: float | Tensor = 1e-06,
        weight_decay: float | Tensor = 0.01,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        state_dtype: Literal["param", "float32"] = "param",
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Tensor], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

def __getattr__(name: str) -> Any: ...  # whatever else torch.optim has
