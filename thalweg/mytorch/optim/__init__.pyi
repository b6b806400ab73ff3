"""Made by scripts/write_mytorch_stub.py; `make stubs` writes it anew."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from thalweg.averaging import Average
from thalweg.border.asking import AskingSteps
from thalweg.border.copies import SlowWeights
from thalweg.border.others import matrix_groups
from thalweg.mytorch.nn import Module, Parameter
from thalweg.mytorch.optim import lr_scheduler
from thalweg.mytorch.optim.by_name import create, names
from thalweg.mytorch.optim.lbfgs import LBFGS
from thalweg.mytorch.optim.optimizer import Optimizer, optimizer
from thalweg.mytorch.optim.scheduler import Scheduler

__all__ = [
    "ADOPT",
    "APOLLO",
    "ASGD",
    "CAME",
    "FTRL",
    "LAMB",
    "LARS",
    "LBFGS",
    "MADGRAD",
    "MARS",
    "QHM",
    "SAM",
    "SGD",
    "SGDP",
    "SGDW",
    "SOAP",
    "SPAM",
    "AdEMAMix",
    "AdaBelief",
    "AdaBound",
    "AdaGrad",
    "AdaHessian",
    "AdaMuon",
    "AdaPNM",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adai",
    "Adam",
    "AdamAtan2",
    "AdamC",
    "AdamMini",
    "AdamP",
    "AdamW",
    "Adamax",
    "Adan",
    "AggMo",
    "Amos",
    "CautiousAdamW",
    "CautiousLion",
    "DAdaptAdam",
    "DAdaptSGD",
    "DiffGrad",
    "Dion",
    "GaLore",
    "Grams",
    "LaProp",
    "Lion",
    "MuSGD",
    "Muon",
    "NAdam",
    "NorMuon",
    "NovoGrad",
    "Optimizer",
    "PSGDKron",
    "Padam",
    "Prodigy",
    "QHAdam",
    "RAdam",
    "RMSprop",
    "Ranger",
    "Ranger21",
    "Rprop",
    "ScheduleFreeAdamW",
    "ScheduleFreeRAdam",
    "ScheduleFreeSGD",
    "Scheduler",
    "Scion",
    "Shampoo",
    "Signum",
    "SimplifiedAdEMAMix",
    "Sophia",
    "SparseAdam",
    "StableAdamW",
    "StableSPAM",
    "Tiger",
    "Yogi",
    "create",
    "lr_scheduler",
    "matrix_groups",
    "names",
    "optimizer",
]

_Params = (
    Module | Iterable[Parameter] | Iterable[tuple[str, Parameter]] | Iterable[Mapping[str, Any]]
)

class ADOPT(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.9999),
        eps: float = 1e-06,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        clip: bool = True,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class APOLLO(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-06,
        weight_decay: float = 0.0,
        rank: int = 128,
        update_proj_gap: int = 200,
        scale: float = 1.0,
        scale_type: Literal["channel", "tensor"] = "channel",
        seed: int = 0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
        block_size: int = 0,
        merge_dims: int = 0,
        others: type[Any] | str | None = None,
        **others_settings: Any,
    ) -> None: ...

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

class FTRL(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.1,
        beta: float = 0.0,
        lambda_1: float = 0.0,
        lambda_2: float = 0.0,
        initial_accumulator_value: float = 0.0,
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

class MADGRAD(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.01,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        eps: float = 1e-06,
        *,
        decoupled_weight_decay: bool = False,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class MARS(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.003,
        betas: tuple[float, float] = (0.95, 0.99),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        gamma: float = 0.025,
        optimize_1d: bool = False,
        lr_1d: float = 1.0,
        betas_1d: tuple[float, float] = (0.9, 0.95),
        weight_decay_1d: float = 0.1,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class QHM(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 1.0,
        momentum: float = 0.999,
        nu: float = 0.7,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
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

class SGDP(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        delta: float = 0.1,
        wd_ratio: float = 0.1,
        *,
        norm_eps: float = 1e-08,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class SGDW(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        momentum: float = 0.9,
        dampening: float = 0.0,
        weight_decay: float = 0.0001,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
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
        block_size: int = 0,
        merge_dims: int = 0,
        others: type[Any] | str | None = None,
        **others_settings: Any,
    ) -> None: ...

class SPAM(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-06,
        weight_decay: float = 0.0,
        threshold: float = 5000.0,
        clip_after: int = 20,
        reset_every: int = 500,
        warmup_steps: int = 150,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class AdEMAMix(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, ...] = (0.9, 0.999, 0.9999),
        alpha: float = 5.0,
        t_alpha: int = 0,
        t_beta3: int = 0,
        eps: float = 1e-08,
        weight_decay: float = 0.0,
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

class AdaBound(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        final_lr: float = 0.1,
        gamma: float = 0.001,
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        amsbound: bool = False,
        *,
        decoupled_weight_decay: bool = False,
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

class AdaHessian(AskingSteps, Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.1,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        hessian_power: float = 1.0,
        update_each: int = 1,
        seed: int = 2147483647,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class AdaMuon(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
        nesterov: bool = False,
        ns_coefficients: tuple[float, ...] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-08,
        ns_steps: int = 5,
        *,
        flatten: bool = False,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
        block_size: int = 0,
        merge_dims: int = 0,
        others: type[Any] | str | None = None,
        **others_settings: Any,
    ) -> None: ...

class AdaPNM(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, ...] = (0.9, 0.999, 1.0),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        amsgrad: bool = True,
        *,
        stable_decay: bool = False,
        softplus: float = 0.0,
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

class Adafactor(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.01,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 0.001),
        d: float = 1.0,
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

class Adai(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.1,
        betas: tuple[float, float] = (0.1, 0.99),
        eps: float = 0.001,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
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

class AdamAtan2(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.0001,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        a: float = 1.27,
        b: float = 1.0,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class AdamC(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        *,
        corrected: bool = True,
        max_lr: float = 0.0,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
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

class AdamP(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        delta: float = 0.1,
        wd_ratio: float = 0.1,
        *,
        norm_eps: float = 1e-08,
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

class Adan(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, ...] = (0.98, 0.92, 0.99),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        *,
        no_prox: bool = False,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class AggMo(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.01,
        betas: tuple[float, ...] = (0.0, 0.9, 0.99),
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Amos(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        beta: float = 0.999,
        momentum: float = 0.0,
        eta: float = 0.0,
        zeta: float = 0.25,
        eps: float = 1e-30,
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

class DAdaptAdam(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 1.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        decouple: bool = False,
        use_bias_correction: bool = False,
        d0: float = 1e-06,
        growth_rate: float = float("inf"),
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class DAdaptSGD(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 1.0,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        d0: float = 1e-06,
        growth_rate: float = float("inf"),
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class DiffGrad(Optimizer):
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

class Dion(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.01,
        mu: float = 0.95,
        weight_decay: float = 0.01,
        rank: int = 768,
        eps: float = 1e-08,
        seed: int = 0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
        block_size: int = 0,
        merge_dims: int = 0,
        others: type[Any] | str | None = None,
        **others_settings: Any,
    ) -> None: ...

class GaLore(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-06,
        weight_decay: float = 0.0,
        rank: int = 128,
        update_proj_gap: int = 200,
        scale: float = 0.25,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
        block_size: int = 0,
        merge_dims: int = 0,
        others: type[Any] | str | None = None,
        **others_settings: Any,
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

class LaProp(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.0004,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-15,
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

class MuSGD(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.01,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        nesterov: bool = True,
        muon: float = 0.2,
        sgd: float = 1.0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
        block_size: int = 0,
        merge_dims: int = 0,
        others: type[Any] | str | None = None,
        **others_settings: Any,
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
        adjust_lr_fn: Literal["original", "match_rms_adamw", "spectral_norm", None] = "original",
        *,
        flatten: bool = False,
        heads: int = 1,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
        block_size: int = 0,
        merge_dims: int = 0,
        others: type[Any] | str | None = None,
        **others_settings: Any,
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

class NorMuon(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.02,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        beta2: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, ...] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-10,
        ns_steps: int = 5,
        adjust_lr_fn: Literal["original", "match_rms_adamw", "spectral_norm", None] = "original",
        *,
        flatten: bool = False,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
        block_size: int = 0,
        merge_dims: int = 0,
        others: type[Any] | str | None = None,
        **others_settings: Any,
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

class PSGDKron(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        probability: tuple[float, ...] = (0.03, 1.0, 0.001, 500.0),
        max_size: int = 8192,
        precond_lr: float = 0.1,
        seed: int = 0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
        block_size: int = 0,
        merge_dims: int = 0,
    ) -> None: ...

class Padam(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.1,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        amsgrad: bool = True,
        partial: float = 0.25,
        *,
        decoupled_weight_decay: bool = False,
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

class QHAdam(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.995, 0.999),
        nus: tuple[float, float] = (0.7, 1.0),
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        eps: float = 1e-08,
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

class Ranger21(SlowWeights, Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, ...] = (0.9, 0.999, 1.0),
        eps: float = 1e-08,
        weight_decay: float = 0.0001,
        alpha: float = 0.5,
        k: int = 5,
        *,
        clip_factor: float = 0.01,
        clip_eps: float = 0.001,
        use_gc: bool = True,
        use_gcnorm: bool = True,
        norm_loss: float = 0.0001,
        softplus: float = 50.0,
        amsgrad: bool = True,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
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
        r: float = 0.0,
        weight_lr_power: float = 2.0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class ScheduleFreeRAdam(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.0025,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
        silent_sgd_phase: bool = True,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class ScheduleFreeSGD(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 1.0,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Scion(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        momentum: float = 0.1,
        scale: float = 1.0,
        unconstrained: bool = False,
        norm: Literal["auto", "sign"] = "auto",
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
        block_size: int = 0,
        merge_dims: int = 0,
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
        block_size: int = 0,
        merge_dims: int = 0,
        others: type[Any] | str | None = None,
        **others_settings: Any,
    ) -> None: ...

class Signum(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class SimplifiedAdEMAMix(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.0001,
        betas: tuple[float, float] = (0.99, 0.95),
        alpha: float = 0.0,
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        *,
        beta1_warmup: int = 0,
        min_beta1: float = 0.9,
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

class StableSPAM(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.0,
        gamma1: float = 0.7,
        gamma2: float = 0.9,
        theta: float = 0.999,
        total_steps: int = 0,
        eta_min: float = 0.5,
        reset_every: int = 1000,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Tiger(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.001,
        beta: float = 0.965,
        weight_decay: float = 0.01,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...

class Yogi(Optimizer):
    def __init__(
        self,
        params: _Params,
        lr: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 0.001,
        initial_accumulator_value: float = 1e-06,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        decay_filter: Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None = None,
        average: Average | None = None,
    ) -> None: ...
