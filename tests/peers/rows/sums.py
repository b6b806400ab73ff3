"""Rules with sums over rows, tensors, or all tensors of the optimizer."""

from tests.peers.row import SHAPES, Row
from tests.peers.rows.given import ADAM, NO_EPS, K, T

__all__ = ["ROWS"]

_MATRICES = ((4, 4), (6, 5), (5, 6))
_VECTORS = ((7,), (4,))
_LARS = {"lr": 1.0, "momentum": 0.9, "weight_decay": 0.1}
_OF_LAMB = {"learning_rate": 0.01, "b1": 0.8, "b2": 0.95, "eps_root": 0.0}
_D_SGD = {"momentum": 0.9, "d0": 1e-2}
_BIASED = "corrects the bias, an option that the authors leave off, and always"

ROWS = [
    Row("Adai", K + "Adai", {"lr": 0.1, "betas": (0.1, 0.9), "weight_decay": 0.1}),
    Row(
        "AdamMini",
        "adam_mini:Adam_mini",
        ADAM,
        theirs={"verbose": False},
        shapes=_MATRICES,
        named="mlp",
    ),
    Row("AdamP", T + "AdamP", ADAM),
    Row("AdamP", K + "AdamP", NO_EPS),
    # the eta of a layer with 4 inputs, of which theirs knows the shape, and of a bias
    Row("Amos", K + "Amos", {"lr": 0.01}, ours={"eta": 0.5**0.5}, shapes=((6, 4), (3, 4))),
    Row("Amos", K + "Amos", {"lr": 0.01}, shapes=_VECTORS),
    Row("CAME", "came_pytorch:CAME", {**ADAM, "betas": (0.8, 0.9, 0.95)}, shapes=SHAPES[:2]),
    Row("CautiousAdamW", T + "AdamWLegacy", ADAM, theirs={"caution": True}),
    Row("CautiousLion", T + "Lion", ADAM, theirs={"caution": True}),
    Row("DAdaptAdam", "dadaptation:DAdaptAdam", {"weight_decay": 0.1}),
    Row("DAdaptAdam", "dadaptation:DAdaptAdam", {"weight_decay": 0.1, "decouple": True}),
    Row("DAdaptAdam", K + "DAdaptAdam", {"weight_decay": 0.1}),
    Row("DAdaptAdam", "optax.contrib:dadapt_adamw", differs=_BIASED),
    Row("DAdaptSGD", "dadaptation:DAdaptSGD", _D_SGD),
    Row(
        "DAdaptSGD",
        "dadaptation:DAdaptSGD",
        {**_D_SGD, "weight_decay": 0.1},
        differs="leaves weight decay out of the norm of the first gradient: the sum is dropped",
    ),
    # its d is a float32 whatever the parameter
    Row("DAdaptSGD", K + "DAdaptSGD", _D_SGD, tolerance=1e-5),
    Row("LAMB", T + "Lamb", ADAM, theirs={"max_grad_norm": None}),
    Row(
        "LAMB", T + "Lamb", ADAM, differs="divides all gradients by their norm where it is above 1"
    ),
    Row(
        "LAMB",
        "optax:lamb",
        {"weight_decay": 0.1},
        ours={"lr": 0.01, "betas": (0.8, 0.95)},
        theirs=_OF_LAMB,
    ),
    Row(
        "LAMB",
        K + "Lamb",
        ADAM,
        theirs={"max_grad_norm": 0.0, "weight_decouple": False},
        differs="takes both moments uncorrected, and divides the step by 1 - b1^t behind the trust "
        "ratio: the first is 1 / (1 - b1) times as long",
    ),
    Row("LARS", T + "Lars", _LARS),
    Row("LARS", K + "LARS", _LARS, ours={"eps": 0.0}, shapes=SHAPES[1:]),
    Row(
        "LARS",
        K + "LARS",
        _LARS,
        shapes=_VECTORS,
        differs="steps vectors without a trust ratio and without decay",
    ),
    Row("MARS", T + "Mars", ADAM, shapes=_MATRICES),
    Row("MARS", T + "Mars", {**ADAM, "optimize_1d": True}),
    Row("MARS", K + "MARS", {**NO_EPS, "optimize_1d": True}),
    Row("NovoGrad", T + "NvNovoGrad", ADAM),
    Row("NovoGrad", K + "NovoGrad", ADAM),
    Row("Prodigy", "prodigyopt:Prodigy", {"weight_decay": 0.1}),
    # its d is a float32 whatever the parameter
    Row("Prodigy", K + "Prodigy", {"weight_decay": 0.1}, tolerance=1e-5),
    Row("Prodigy", "optax.contrib:prodigy", differs=_BIASED),
    # the authors divide the decay by 1 - momentum
    Row(
        "SGDP",
        T + "SGDP",
        {"lr": 0.01, "momentum": 0.9},
        ours={"weight_decay": 1.0},
        theirs={"weight_decay": 0.1},
    ),
    Row(
        "SGDP",
        K + "SGDP",
        {"lr": 0.01, "momentum": 0.9, "nesterov": True},
        ours={"weight_decay": 1.0},
        theirs={"weight_decay": 0.1},
    ),
    Row(
        "SPAM",
        K + "SPAM",
        {**ADAM, "threshold": 2},
        ours={"reset_every": 12, "warmup_steps": 0, "clip_after": 3},
        theirs={"update_proj_gap": 12, "warmup_epoch": 0, "grad_accu_steps": 3},
    ),
    Row(
        "SPAM",
        K + "SPAM",
        ADAM,
        ours={"reset_every": 12, "warmup_steps": 6},
        theirs={"update_proj_gap": 12, "warmup_epoch": 6},
        differs="is one step ahead in its warm-up behind a reset",
        from_step=12,
    ),
    Row(
        "StableSPAM",
        K + "StableSPAM",
        {**ADAM, "gamma1": 0.6, "gamma2": 0.8, "theta": 0.9},
        ours={"reset_every": 12},
        theirs={"update_proj_gap": 12},
    ),
    Row("StableAdamW", "optimi:StableAdamW", ADAM, theirs={"kahan_sum": False}),
    Row("StableAdamW", K + "StableAdamW", {**ADAM, "eps": 1e-8}, theirs={"kahan_sum": False}),
]
