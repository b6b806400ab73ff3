"""The table: every optimizer that another package has too, a row for each set of flags."""

from __future__ import annotations

from tests.peers.row import SHAPES, Row

__all__ = ["ROWS"]

K = "pytorch_optimizer:"
T = "timm.optim:"

# other values than the defaults, so that each setting shows
_ADAM = {"lr": 0.01, "betas": (0.8, 0.95), "weight_decay": 0.1}
_LARS = {"lr": 1.0, "momentum": 0.9, "weight_decay": 0.1}

# of full rank: a basis of fewer directions than the matrix has sides is anybody's choice
_MATRICES = ((4, 4), (6, 5), (5, 6))

# optimi adds eps to another scale of the root
_NO_EPS = {**_ADAM, "eps": 1e-12}

_OF_TORCH = [
    Row("RAdam", "optimi:RAdam", _NO_EPS),
    Row(
        "RAdam",
        K + "RAdam",
        {**_ADAM, "eps": 1e-8},
        ours={"decoupled_weight_decay": True},
        theirs={"degenerated_to_sgd": True},
    ),
    Row(
        "RAdam",
        K + "RAdam",
        {**_ADAM, "eps": 1e-8},
        ours={"decoupled_weight_decay": True},
        differs="climbs until rho is above 5: the rate of a step that is not rectified is -lr",
    ),
    Row(
        "Muon",
        K + "Muon",
        {"lr": 0.01, "weight_decay": 0.1},
        shapes=_MATRICES,
        group={"use_muon": True},
    ),
]

_OF_ELEMENTS = [
    Row("AdaBelief", T + "AdaBelief", {**_ADAM, "eps": 1e-8, "rectify": False}),
    Row("AdaBelief", T + "AdaBelief", {"lr": 0.01, "rectify": True}),
    Row("AdaBelief", K + "AdaBelief", {**_ADAM, "eps": 1e-8, "rectify": False}),
    Row("AdaBelief", K + "AdaBelief", {"lr": 0.01, "rectify": True}),
    Row("Grams", K + "Grams", _ADAM, ours={"eps": 1e-6}),
    Row("Lion", "lion_pytorch:Lion", _ADAM),
    Row("Lion", "optimi:Lion", _ADAM),
    Row("Lion", T + "Lion", _ADAM),
    Row("Lion", K + "Lion", _ADAM),
    Row("Ranger", "optimi:Ranger", _NO_EPS, ours={"use_gc": False}),
    Row("Ranger", K + "Ranger", {**_ADAM, "eps": 1e-8}, theirs={"degenerated_to_sgd": True}),
    Row(
        "Ranger",
        K + "Ranger",
        {**_ADAM, "eps": 1e-8},
        differs="climbs until rho is above 5: the rate of a step that is not rectified is -lr",
    ),
    Row("ScheduleFreeAdamW", "schedulefree:AdamWScheduleFree", {**_ADAM, "warmup_steps": 5}),
    Row("ScheduleFreeAdamW", K + "ScheduleFreeAdamW", {**_ADAM, "warmup_steps": 5}),
]

_OF_SUMS = [
    Row(
        "AdamMini",
        "adam_mini:Adam_mini",
        _ADAM,
        theirs={"verbose": False},
        shapes=_MATRICES,
        named="mlp",
    ),
    Row("CAME", "came_pytorch:CAME", {**_ADAM, "betas": (0.8, 0.9, 0.95)}, shapes=SHAPES[:2]),
    Row("CautiousAdamW", T + "AdamWLegacy", _ADAM, theirs={"caution": True}),
    Row("CautiousLion", T + "Lion", _ADAM, theirs={"caution": True}),
    Row("LAMB", T + "Lamb", _ADAM, theirs={"max_grad_norm": None}),
    Row("LAMB", T + "Lamb", _ADAM, differs="clips the norm of all gradients to 1 first"),
    Row(
        "LAMB",
        K + "Lamb",
        _ADAM,
        theirs={"max_grad_norm": 0.0},
        differs="takes v without its bias correction, and a norm of weights above 10 as 10",
    ),
    Row("LARS", T + "Lars", _LARS),
    Row("LARS", K + "LARS", _LARS, ours={"eps": 0.0}, shapes=SHAPES[1:]),
    Row("LARS", K + "LARS", _LARS, differs="has no trust ratio for vectors, nor their decay"),
    Row("NovoGrad", K + "NovoGrad", _ADAM),
    # its mean of squares is a float32 whatever the parameter
    Row("NovoGrad", T + "NvNovoGrad", _ADAM, tolerance=1e-6),
    Row("Prodigy", "prodigyopt:Prodigy", {"weight_decay": 0.1}, theirs={"decouple": True}),
    # its d is a float32 whatever the parameter
    Row("Prodigy", K + "Prodigy", {"weight_decay": 0.1}, tolerance=1e-5),
    Row("StableAdamW", "optimi:StableAdamW", _ADAM, theirs={"kahan_sum": False}),
    Row("StableAdamW", K + "StableAdamW", {**_ADAM, "eps": 1e-8}, theirs={"kahan_sum": False}),
]

# Later bases are each one's own: pytorch_optimizer computes them in float32, as SOAP's authors do.
_OF_MATRICES = [
    Row(
        "SOAP",
        K + "SOAP",
        {"lr": 0.01, "weight_decay": 0.0, "precondition_frequency": 100},
        shapes=_MATRICES,
    ),
    Row(
        "Shampoo",
        K + "Shampoo",
        {"lr": 0.01},
        ours={"eps": 1e-3},
        theirs={"matrix_eps": 1e-3},
        shapes=_MATRICES,
    ),
]

ROWS = [*_OF_TORCH, *_OF_ELEMENTS, *_OF_SUMS, *_OF_MATRICES]
