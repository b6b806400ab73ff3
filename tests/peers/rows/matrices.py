"""Rules of whole matrices, but for those that draw at random, such as APOLLO's sketch."""

from tests.peers.row import Row
from tests.peers.rows.given import K, T

__all__ = ["ROWS"]

# of full rank: a basis of fewer directions than a matrix has sides is anybody's choice
_MATRICES = ((4, 4), (6, 5), (5, 6))

_MUON = {"lr": 0.01, "weight_decay": 0.1}
_GROUP = {"use_muon": True}
_LOW = {"rank": 2, "update_proj_gap": 200, "scale": 0.25}
_RAW = "makes the momentum orthogonal, where the paper makes its signs so, and corrects v's bias"

ROWS = [
    Row(
        "AdaMuon",
        K + "AdaMuon",
        _MUON,
        ours={"momentum": 0.9},
        theirs={"betas": (0.9, 0.9)},
        shapes=_MATRICES,
        group=_GROUP,
        differs=_RAW,
    ),
    Row(
        "AdaMuon",
        T + "Muon",
        {**_MUON, "momentum": 0.9},
        theirs={"algo": "adamuon", "betas": (0.9, 0.9), "ns_coefficients": "original"},
        shapes=_MATRICES,
        differs=_RAW,
    ),
    # its decomposition is in float32
    Row(
        "GaLore",
        K + "GaLore",
        {"lr": 0.01, "eps": 1e-14},
        ours=_LOW,
        shapes=_MATRICES,
        group={**_LOW, "projection_type": "std"},
        tolerance=1e-6,
    ),
    Row("Muon", K + "Muon", _MUON, shapes=_MATRICES, group=_GROUP),
    Row(
        "Muon",
        T + "Muon",
        {**_MUON, "nesterov": True, "adjust_lr_fn": "original"},
        theirs={"ns_coefficients": "original"},
        shapes=_MATRICES,
    ),
    Row("NorMuon", K + "NorMuon", _MUON, shapes=_MATRICES, group=_GROUP),
    Row(
        "Shampoo",
        K + "Shampoo",
        {"lr": 0.01},
        ours={"eps": 1e-3},
        theirs={"matrix_eps": 1e-3},
        shapes=_MATRICES,
    ),
    # later bases are each one's own: theirs are computed in float32, as the authors'
    Row(
        "SOAP",
        K + "SOAP",
        {"lr": 0.01, "weight_decay": 0.0, "precondition_frequency": 100},
        shapes=_MATRICES,
    ),
]
