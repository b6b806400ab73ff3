"""Made by scripts/write_mytorch_stub.py; `make stubs` writes it anew."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from thalweg.averaging import Average
from thalweg.border.asking import AskingSteps
from thalweg.border.copies import SlowWeights
from thalweg.mytorch.nn import Module, Parameter
from thalweg.mytorch.optim import lr_scheduler
from thalweg.mytorch.optim.by_name import create, names
from thalweg.mytorch.optim.optimizer import Optimizer, optimizer
from thalweg.mytorch.optim.scheduler import Scheduler

__all__ = [
    "ASGD",
    "CAME",
    "LAMB",
    "LARS",
    "SAM",
    "SGD",
    "SOAP",
    "AdaBelief",
    "AdaGrad",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamMini",
    "AdamW",
    "Adamax",
    "CautiousAdamW",
    "CautiousLion",
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
    "Scheduler",
    "Shampoo",
    "Sophia",
    "SparseAdam",
    "StableAdamW",
    "create",
    "lr_scheduler",
    "names",
    "optimizer",
]

_Params = (
    Module | Iterable[Parameter] | Iterable[tuple[str, Parameter]] | Iterable[Mapping[str, Any]]
)

class ASGD(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.01,
        lambd: float = 0.0001,
        alpha: float = 0.75,
        t0: float = 1000000.0,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class CAME(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.0002,
        eps: tuple[float, float] = (1e-30, 1e-16),
        clip_threshold: float = 1.0,
        betas: tuple[float, ...] = (0.9, 0.999, 0.9999),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class LAMB(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-06,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class LARS(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 1.0,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 0.001,
        eps: float = 1e-08,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class SAM(AskingSteps, Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        rho: float = 0.05,
        adaptive: bool = False,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class SGD(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
        lr_decay: float = 0.0,
    ) -> None: ...

class SOAP(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.003,
        betas: tuple[float, float] = (0.95, 0.95),
        shampoo_beta: float = 0.95,
        eps: float = 1e-08,
        weight_decay: float = 0.01,
        precondition_frequency: int = 10,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class AdaBelief(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-16,
        weight_decay: float = 0.0,
        rectify: bool = True,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class AdaGrad(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.01,
        eps: float = 1e-08,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Adadelta(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-06,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Adagrad(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.01,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Adam(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
        beta1: float | None = None,
        beta2: float | None = None,
    ) -> None: ...

class AdamMini(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class AdamW(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Adamax(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.002,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class CautiousAdamW(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.01,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class CautiousLion(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.0001,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Grams(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Lion(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.0001,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Muon(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, ...] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-07,
        ns_steps: int = 5,
        adjust_lr_fn: Literal["original", "match_rms_adamw", None] = "original",
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class NAdam(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.002,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        momentum_decay: float = 0.004,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class NovoGrad(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.01,
        betas: tuple[float, float] = (0.95, 0.98),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Prodigy(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 1.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        d0: float = 1e-06,
        d_coef: float = 1.0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class RAdam(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class RMSprop(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Ranger(SlowWeights, Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.95, 0.999),
        eps: float = 1e-05,
        weight_decay: float = 0.0,
        alpha: float = 0.5,
        k: int = 6,
        n_sma_threshold: float = 5.0,
        use_gc: bool = True,
        gc_conv_only: bool = False,
        *,
        gc_normalize: bool = False,
        warmup_mode: Literal["sgd", "skip"] = "sgd",
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
        N_sma_threshhold: float = ...,
    ) -> None: ...

class Rprop(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.01,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-06, 50.0),
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class ScheduleFreeAdamW(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.0025,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Shampoo(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.1,
        eps: float = 0.0001,
        precondition_frequency: int = 1,
        *,
        others_lr: float = 0.001,
        others_betas: tuple[float, float] = (0.9, 0.999),
        others_eps: float = 1e-08,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Sophia(AskingSteps, Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.0001,
        betas: tuple[float, float] = (0.965, 0.99),
        rho: float = 0.04,
        weight_decay: float = 0.0,
        batch_size: int = 5120,
        k: int = 10,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class SparseAdam(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class StableAdamW(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-06,
        weight_decay: float = 0.01,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...
