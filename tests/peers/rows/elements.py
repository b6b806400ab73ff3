"""Rules of which every element is stepped by itself."""

from tests.peers.row import Row
from tests.peers.rows.given import ADAM, DECOUPLED, L2, NO_EPS, SGD, K, T

__all__ = ["ROWS"]

_CLIMBS = "climbs while rho is not above 5: of a step that is not rectified the rate is -lr"
_RECTIFIED = {**ADAM, "eps": 1e-8}
_THREE = {**ADAM, "betas": (0.9, 0.8, 0.95)}
_MIX = {**ADAM, "betas": (0.8, 0.95, 0.97), "alpha": 3.0}
_BOUND = {**ADAM, "gamma": 0.01}
_QH = {**ADAM, "nus": (0.6, 0.9)}
_FREE = {**ADAM, "warmup_steps": 5}
_FTRL = {"lr": 0.1, "beta": 0.5, "lambda_1": 0.01, "lambda_2": 0.1}
_OF_OPTAX = {"learning_rate": 0.01, "b1": 0.8, "b2": 0.95}
_OF_ADAN = {"learning_rate": 0.01, "b1": 0.9, "b2": 0.8, "b3": 0.95, "eps_root": 0.0}
_SIMPLE = {"lr": 0.01, "betas": (0.8, 0.95)}

ROWS = [
    Row("ADOPT", "adopt:ADOPT", ADAM),
    Row(
        "ADOPT",
        "adopt:ADOPT",
        ADAM,
        ours={"decoupled_weight_decay": True},
        theirs={"decouple": True},
    ),
    Row("ADOPT", T + "Adopt", ADAM, theirs={"clip_exp": 0.25}),
    Row("ADOPT", T + "Adopt", ADAM, ours={"clip": False}, theirs={"clip_exp": None}),
    Row(
        "ADOPT",
        T + "Adopt",
        _SIMPLE,
        differs="clips at (t - 1)^0.333, where the paper has (t - 1)^(1/4)",
        from_step=3,
    ),
    Row(
        "ADOPT",
        K + "ADOPT",
        _SIMPLE,
        differs="clips at t^(1/4), where the paper has (t - 1)^(1/4)",
        from_step=2,
    ),
    Row(
        "ADOPT",
        "heavyball:ADOPT",
        _SIMPLE,
        differs="clips nothing, and has the debiased betas of its Adam",
        from_step=2,
    ),
    Row("AdaBelief", T + "AdaBelief", {**_RECTIFIED, "rectify": False}),
    Row("AdaBelief", T + "AdaBelief", {"lr": 0.01, "rectify": True}),
    Row("AdaBelief", K + "AdaBelief", {**_RECTIFIED, "rectify": False}),
    Row("AdaBelief", K + "AdaBelief", {"lr": 0.01, "rectify": True}),
    Row("AdaBound", K + "AdaBound", _BOUND, **DECOUPLED),
    Row(
        "AdaBound",
        K + "AdaBound",
        _BOUND,
        ours={"amsbound": True},
        theirs={"ams_bound": True, **L2["theirs"]},
    ),
    Row("AdamC", T + "AdamWLegacy", ADAM, theirs={"corrected_weight_decay": True}),
    Row("AdamC", K + "AdamC", NO_EPS),
    Row("AdaPNM", K + "AdaPNM", {**NO_EPS, "betas": (0.8, 0.95, 0.7)}),
    Row("AdamAtan2", "adam_atan2_pytorch:AdamAtan2", {**ADAM, "a": 1.2, "b": 0.9}),
    Row("Adan", T + "Adan", _THREE),
    Row("Adan", T + "Adan", {**_THREE, "no_prox": True}),
    Row("Adan", K + "Adan", _THREE),
    Row("Adan", K + "Adan", _THREE, ours={"no_prox": True}, theirs={"weight_decouple": True}),
    Row("Adan", "optimi:Adan", {**_THREE, "eps": 1e-14}),
    Row(
        "Adan",
        "optax:adan",
        ours={"lr": 0.01, "betas": (0.9, 0.8, 0.95)},
        theirs=_OF_ADAN,
        differs="weighs the change of a gradient with 1 - b2, though its b2 is 1 minus the paper's",
        from_step=2,
    ),
    Row("AdEMAMix", K + "AdEMAMix", _MIX, theirs={"weight_decouple": True}),
    Row(
        "AdEMAMix",
        K + "AdEMAMix",
        _MIX,
        ours={"t_alpha": 30, "t_beta3": 30},
        theirs={"t_alpha_beta3": 30, "weight_decouple": True},
    ),
    Row("AggMo", K + "AggMo", {"lr": 0.01, "weight_decay": 0.1}),
    Row("AggMo", K + "AggMo", {"lr": 0.01, "weight_decay": 0.1}, **DECOUPLED),
    Row("DiffGrad", K + "DiffGrad", ADAM, **DECOUPLED),
    Row("DiffGrad", K + "DiffGrad", ADAM, **L2),
    Row("FTRL", K + "FTRL", {"lr": 0.1}),
    Row("FTRL", K + "FTRL", _FTRL),
    Row("Grams", K + "Grams", {**ADAM, "eps": 1e-6}),
    Row("LaProp", T + "LaProp", ADAM),
    # float32 are the numbers that it steps several tensors at once with
    Row("LaProp", K + "LaProp", ADAM, tolerance=1e-6),
    Row("Lion", "lion_pytorch:Lion", ADAM),
    Row("Lion", "optimi:Lion", ADAM),
    Row("Lion", T + "Lion", ADAM),
    Row("Lion", K + "Lion", ADAM),
    Row(
        "Lion",
        "optax:lion",
        {"weight_decay": 0.1},
        ours={"lr": 0.01, "betas": (0.8, 0.95)},
        theirs=_OF_OPTAX,
    ),
    Row("MADGRAD", T + "MADGRAD", SGD),
    Row("MADGRAD", T + "MADGRAD", {**SGD, "momentum": 0.0}),
    Row("MADGRAD", K + "MADGRAD", SGD),
    Row("Padam", K + "PAdam", {**ADAM, "partial": 0.2}, ours={"amsgrad": False}),
    # float32 are the sums that its betas are made of
    Row("QHAdam", K + "QHAdam", _QH, tolerance=1e-6),
    Row("QHAdam", K + "QHAdam", _QH, tolerance=1e-6, **DECOUPLED),
    Row("QHM", K + "QHM", {**SGD, "nu": 0.6}),
    Row("RAdam", "optimi:RAdam", NO_EPS),
    Row(
        "RAdam",
        K + "RAdam",
        _RECTIFIED,
        ours={"decoupled_weight_decay": True},
        theirs={"degenerated_to_sgd": True},
    ),
    Row(
        "RAdam",
        K + "RAdam",
        _RECTIFIED,
        ours={"decoupled_weight_decay": True},
        differs="stands still while rho is not above 5, unless degenerated_to_sgd is given",
    ),
    Row("Ranger", "optimi:Ranger", NO_EPS, ours={"use_gc": False}),
    Row("Ranger", K + "Ranger", _RECTIFIED, theirs={"degenerated_to_sgd": True}),
    Row("Ranger", K + "Ranger", _RECTIFIED, differs=_CLIMBS),
    Row("ScheduleFreeAdamW", "schedulefree:AdamWScheduleFree", _FREE),
    Row("ScheduleFreeAdamW", K + "ScheduleFreeAdamW", _FREE),
    Row("ScheduleFreeRAdam", "schedulefree:RAdamScheduleFree", ADAM),
    Row(
        "ScheduleFreeRAdam",
        "schedulefree:RAdamScheduleFree",
        {**ADAM, "silent_sgd_phase": False},
    ),
    Row("ScheduleFreeRAdam", K + "ScheduleFreeRAdam", ADAM),
    Row("ScheduleFreeSGD", "schedulefree:SGDScheduleFree", {**SGD, "lr": 0.1, "warmup_steps": 5}),
    Row("ScheduleFreeSGD", K + "ScheduleFreeSGD", {**SGD, "lr": 0.1, "warmup_steps": 5}),
    Row("SGDW", T + "SGDW", {**SGD, "nesterov": True}),
    Row("SGDW", K + "SGDW", SGD),
    Row("Signum", K + "SignSGD", SGD),
    Row(
        "Signum",
        "optax:signum",
        ours={"lr": 0.01, "momentum": 0.8},
        theirs={"learning_rate": 0.01, "beta": 0.8},
    ),
    Row(
        "SimplifiedAdEMAMix",
        "optax.contrib:simplified_ademamix",
        {"alpha": 2.0},
        ours=_SIMPLE,
        theirs=_OF_OPTAX,
    ),
    Row(
        "SimplifiedAdEMAMix",
        K + "SimplifiedAdEMAMix",
        {**_SIMPLE, "alpha": 2.0},
        differs="keeps an average of gradients, where the paper has a sum, and divides the step by "
        "sqrt(1 - b2^t), where the paper multiplies",
    ),
    Row("Tiger", K + "Tiger", {"lr": 0.01, "beta": 0.9, "weight_decay": 0.1}),
    Row("Yogi", K + "Yogi", ADAM, **DECOUPLED),
    Row("Yogi", "optax:yogi", ours={"lr": 0.01}, theirs={"learning_rate": 0.01}),
]
