"""Where a package computes something else: who is right, on numbers that one can do by hand."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from tests.peers.row import Row, doubles
from tests.peers.rows import ROWS
from tests.peers.rows.given import K, T

pytest.importorskip("pytorch_optimizer", reason="the group peers is not installed: make peers")

Numbers = list[Any]


@dataclass(frozen=True)
class Case:
    """A start, a gradient for each step, and where the paper's lines end."""

    row: Row
    start: Numbers
    gradients: list[Numbers]
    end: Numbers

    def __str__(self) -> str:
        return f"{self.row.name}-{self.row.place}"


# The first step of RAdam has rho below 5: p - lr m / (1 - b1), which is p - lr g.
_FIRST = {"lr": 0.1, "betas": (0.9, 0.999)}

# v = 1 after the first step; then 3 / 1, cut at (t - 1)^(1/4) = 1, gives m = 0.2.
_ADOPT = {"lr": 0.1, "betas": (0.8, 0.9)}

# ... and in the third step, v still 1, 9 / 1 cut at 2^(1/4): m = 0.8 0.2 + 0.2 2^(1/4)
_THIRD = 1 - 0.1 * 0.2 - 0.1 * (0.16 + 0.2 * 2**0.25)

# m = 0.5, then 1.25; v = 0, then 0.25 1^2; n = 0.5, then 0.25 + 0.5 (2 + 0.75)^2: each over 1 - b^t
_ADAN = 1 - 0.1 - 0.1 * (1.25 / 0.75 + 0.75 * 0.25 / 0.4375) / math.sqrt(4.03125 / 0.75)

# m = 0.1 d0 g and v = 0.001 d0^2 g^2, not corrected; d0 = 0.1 is still d
_PRODIGY = 1 - 0.1 * 0.1 / math.sqrt(0.001)

# (3, 4) has the norm 5; r = (3 / (3 + 1), 1 / (1 + 1)) = (0.75, 0.5)
_CLIPPED = [3 - 0.5 * 0.75 / math.hypot(0.75, 0.5), 4 - 0.5 * 0.5 / math.hypot(0.75, 0.5)]

# r = (1, 1) + (3, 4)
_CORRECTED = [3 - 0.5 * 4 / math.hypot(4, 5), 4 - 0.5 * 5 / math.hypot(4, 5)]

# Signs of both momenta are those of one, whose entries stay equal: 0.2 lr 2 of a length of sqrt(2).
_SIGNS = -2 * 0.2 * 0.1 * 2 / math.sqrt(2)

_OF_OPTAX = {"learning_rate": 0.1, "b1": 0.5, "b2": 0.75, "b3": 0.5, "eps": 0.0, "eps_root": 0.0}
_AS_IT_IS = (1.0, 0.0, 0.0)  # an iteration that changes nothing
_MUON = {
    **{"lr": 0.1, "momentum": 0.5, "eps": 1e-30, "weight_decay": 0.0},
    **{"ns_steps": 1, "ns_coefficients": _AS_IT_IS},
}
_ZERO = [[0.0, 0.0], [0.0, 0.0]]
_DIAGONAL = [[[2.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]]]

CASES = [
    Case(Row("RAdam", K + "RAdam", _FIRST), [1.0], [[1.0]], [0.9]),
    Case(Row("Ranger", K + "Ranger", _FIRST), [1.0], [[1.0]], [0.9]),
    Case(Row("ADOPT", K + "ADOPT", _ADOPT), [1.0], [[1.0], [3.0]], [1 - 0.1 * 0.2]),
    Case(Row("ADOPT", T + "Adopt", _ADOPT), [1.0], [[1.0], [1.0], [9.0]], [_THIRD]),
    Case(Row("ADOPT", "heavyball:ADOPT", _ADOPT), [1.0], [[1.0], [3.0]], [1 - 0.1 * 0.2]),
    Case(
        Row(
            "Adan",
            "optax:adan",
            ours={"lr": 0.1, "betas": (0.5, 0.75, 0.5), "eps": 0.0},
            theirs=_OF_OPTAX,
        ),
        [1.0],
        [[1.0], [2.0]],
        [_ADAN],
    ),
    # m = g = 2 and vhat = 4: (2 + 3 2) / 2
    Case(
        Row("SimplifiedAdEMAMix", K + "SimplifiedAdEMAMix", {"lr": 0.1, "alpha": 3.0, "eps": 0.0}),
        [1.0],
        [[2.0]],
        [1 - 0.1 * 4],
    ),
    Case(
        Row("LAMB", T + "Lamb", {"lr": 0.1, "eps": 1.0, "weight_decay": 0.0}),
        [3.0, 4.0],
        [[3.0, 1.0]],
        _CLIPPED,
    ),
    Case(
        Row(
            "LAMB",
            K + "Lamb",
            {"lr": 0.1, "eps": 0.0, "weight_decay": 1.0},
            theirs={"max_grad_norm": 0.0},
        ),
        [3.0, 4.0],
        [[2.0, 2.0]],
        _CORRECTED,
    ),
    # the ratio is 0.001 |p| / |g| = 0.005
    Case(
        Row("LARS", K + "LARS", {"lr": 1.0}, ours={"eps": 0.0}),
        [3.0, 4.0],
        [[0.6, 0.8]],
        [3 - 0.003, 4 - 0.004],
    ),
    # the decayed gradient is 1 + 3 = 4, its norm 4, and the first step of length d0
    Case(
        Row("DAdaptSGD", "dadaptation:DAdaptSGD", {"weight_decay": 1.0, "d0": 0.1}),
        [3.0],
        [[1.0]],
        [3 - 0.1],
    ),
    Case(
        Row(
            "DAdaptAdam",
            "optax.contrib:dadapt_adamw",
            ours={"d0": 0.1, "eps": 1e-30},
            theirs={"estim_lr0": 0.1, "eps": 0.0},
        ),
        [1.0],
        [[1.0]],
        [_PRODIGY],
    ),
    Case(
        Row(
            "Prodigy",
            "optax.contrib:prodigy",
            ours={"d0": 0.1, "eps": 0.0},
            theirs={"estim_lr0": 0.1, "eps": 0.0},
        ),
        [1.0],
        [[1.0]],
        [_PRODIGY],
    ),
    # Without memory a step is the sign; the one of the reset has 1 - 0.99 of it.
    Case(
        Row(
            "SPAM",
            K + "SPAM",
            {"lr": 1.0, "betas": (0.0, 0.0), "eps": 0.0},
            ours={"reset_every": 2, "warmup_steps": 1},
            theirs={"update_proj_gap": 2, "warmup_epoch": 1},
        ),
        [0.0],
        [[1.0], [1.0]],
        [-1.01],
    ),
    Case(
        Row(
            "AdaMuon",
            K + "AdaMuon",
            ours=_MUON,
            theirs={"lr": 0.1, "betas": (0.5, 0.5), "ns_steps": 1, "ns_coeffs": _AS_IT_IS},
            group={"use_muon": True},
        ),
        _ZERO,
        _DIAGONAL,
        [[_SIGNS, 0.0], [0.0, _SIGNS]],
    ),
    Case(
        Row(
            "AdaMuon",
            T + "Muon",
            ours=_MUON,
            theirs={
                **{"lr": 0.1, "momentum": 0.5, "betas": (0.5, 0.5), "algo": "adamuon"},
                **{"ns_steps": 1, "ns_coefficients": _AS_IT_IS},
            },
        ),
        _ZERO,
        _DIAGONAL,
        [[_SIGNS, 0.0], [0.0, _SIGNS]],
    ),
]


def end(make: Any, case: Case) -> torch.Tensor:
    with doubles(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        p = torch.tensor(case.start, requires_grad=True)
        optimizer = make([p])
        for g in case.gradients:
            p.grad = torch.tensor(g)
            optimizer.step()
        return p.detach()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ours_is_where_the_papers_lines_end(case):
    expected = torch.tensor(case.end, dtype=torch.float64)
    torch.testing.assert_close(end(case.row.make_ours, case), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_theirs_is_elsewhere(case):
    expected = torch.tensor(case.end, dtype=torch.float64)
    assert (end(case.row.make_theirs, case) - expected).abs().max() > 1e-4


def test_every_row_that_differs_has_such_numbers():
    differing = {(row.name, row.place) for row in ROWS if row.differs}
    done = {(case.row.name, case.row.place) for case in CASES}
    assert differing == done
