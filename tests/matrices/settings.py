"""With what the rules that work on matrices are tried, and a rule that several suites try; no
torch, which not all of them have."""

from thalweg.reductions import largest, sum
from thalweg.rule import Rule, state

TRIED = {
    "APOLLO": {"rank": 2, "update_proj_gap": 3, "lr": 1e-3},
    "AdaMuon": {"nesterov": True},
    "AdamMini": {"weight_decay": 0.1},
    "CAME": {"lr": 1e-3},
    "Dion": {"rank": 3},
    "GaLore": {"rank": 2, "update_proj_gap": 3, "weight_decay": 0.1},
    "MuSGD": {"weight_decay": 0.1},
    "Muon": {"weight_decay": 0.1},
    "NorMuon": {"weight_decay": 0.1},
    "PSGDKron": {"lr": 0.01, "max_size": 5, "probability": (0.1, 0.4, 0.01, 5.0)},
    "SAM": {"lr": 0.01, "momentum": 0.9},
    "SOAP": {"precondition_frequency": 3},
    "Scion": {"scale": 10.0},
    "Shampoo": {"precondition_frequency": 2},
    "Sophia": {"k": 3, "weight_decay": 0.1},
}


class Reused(Rule):
    """A name that is per row, then per column; a row and a column that one number stands for."""

    lr: float = 0.1
    left = state("left", per="row")
    right = state("right", per="column")

    @staticmethod
    def update(g, left, right, first, lr):
        if first:
            left = lr
            right = 2 * lr
        one = sum(g * g, "row")
        left = left + one / (1 + largest(one))
        one = sum(g * g, "column")
        right = right + one / (1 + largest(one))
        u = left * g * right
        return u, left, right
