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
    """A start, a gradient for each step, and where the paper's lines end; and where the other
    package's end, by what the table says of it."""

    row: Row
    start: Numbers
    gradients: list[Numbers]
    end: Numbers
    theirs: Numbers

    def __str__(self) -> str:
        return f"{self.row.name}-{self.row.place}"


# The first step of RAdam has rho below 5: p - lr m / (1 - b1), which is p - lr g.
_FIRST = {"lr": 0.1, "betas": (0.9, 0.999)}

# v = 1 after the first step; then 3 / 1, cut at (t - 1)^(1/4) = 1, gives m = 0.2.
_ADOPT = {"lr": 0.1, "betas": (0.8, 0.9)}


def third(cut: float) -> Numbers:
    """... and in the third step, v still 1, 9 / 1 cut at that: m = 0.8 0.2 + 0.2 cut."""
    return [1 - 0.1 * 0.2 - 0.1 * (0.16 + 0.2 * cut)]


def adan(weight: float) -> Numbers:
    """m = 0.5, then 1.25; v = 0, then 0.25 1^2; n = 0.5, then 0.25 + 0.5 (2 + weight)^2; and each
    over 1 - b^t. The first step is lr."""
    n = 0.25 + 0.5 * (2 + weight) ** 2
    return [1 - 0.1 - 0.1 * (1.25 / 0.75 + weight * 0.25 / 0.4375) / math.sqrt(n / 0.75)]


def lamb(*r: float, start: Numbers = (3.0, 4.0), lr: float = 0.1) -> Numbers:
    """From a start along r, as far as it is long."""
    length = math.hypot(*start) / math.hypot(*r)
    return [p - lr * length * each for p, each in zip(start, r, strict=True)]


def muon(*steps: Numbers) -> list[Numbers]:
    """A diagonal, after steps of these directions: each 0.2 lr sqrt(4 4) long."""
    ends = [-0.2 * 0.1 * 4 * sum(s[i] / math.hypot(*s) for s in steps) for i in range(4)]
    return [[ends[i] if i == j else 0.0 for j in range(4)] for i in range(4)]


def diagonal(first: float, others: float) -> list[Numbers]:
    entries = [first, others, others, others]
    return [[entries[i] if i == j else 0.0 for j in range(4)] for i in range(4)]


# m = diag(1, 0.5, ...), then diag(0.5, 0.75, ...), each made one long
_X1 = [1 / math.sqrt(1.75), 0.5 / math.sqrt(1.75)]
_X2 = [0.5 / math.sqrt(1.9375), 0.75 / math.sqrt(1.9375)]
_V2 = [(0.25 * a * a + 0.5 * b * b) / 0.75 for a, b in zip(_X1, _X2, strict=True)]
_Y2 = [b / math.sqrt(v) for b, v in zip(_X2, _V2, strict=True)]
_OF_MOMENTA = muon([1.0] * 4, [_Y2[0], *[_Y2[1]] * 3])

# m = 0.1 d0 g and v = 0.001 d0^2 g^2, not corrected; d0 = 0.1 is still d
_PRODIGY = [1 - 0.1 * 0.1 / math.sqrt(0.001)]

# after one gradient of 2: m = 0.1 2, v = 0.001 2^2
_RAW = 0.2 / math.sqrt(0.004)

_OF_OPTAX = {"learning_rate": 0.1, "b1": 0.5, "b2": 0.75, "b3": 0.5, "eps": 0.0, "eps_root": 0.0}
_AS_IT_IS = (1.0, 0.0, 0.0)  # an iteration that changes nothing
_MUON = {
    **{"lr": 0.1, "momentum": 0.5, "eps": 1e-30, "weight_decay": 0.0},
    **{"ns_steps": 1, "ns_coefficients": _AS_IT_IS},
}
_TIMM = {"lr": 0.1, "momentum": 0.5, "betas": (0.5, 0.5), "algo": "adamuon", "ns_steps": 1}
_D0 = {"ours": {"d0": 0.1, "eps": 1e-30}, "theirs": {"estim_lr0": 0.1, "eps": 0.0}}

CASES = [
    Case(Row("RAdam", K + "RAdam", _FIRST), [1.0], [[1.0]], [0.9], [1.0]),
    Case(Row("Ranger", K + "Ranger", _FIRST), [1.0], [[1.0]], [0.9], [1.1]),
    Case(
        Row("ADOPT", K + "ADOPT", _ADOPT),
        [1.0],
        [[1.0], [3.0]],
        [1 - 0.1 * 0.2],
        [1 - 0.1 * 0.2 * 2**0.25],
    ),
    Case(
        Row("ADOPT", T + "Adopt", _ADOPT),
        [1.0],
        [[1.0], [1.0], [9.0]],
        third(2**0.25),
        third(2**0.333),
    ),
    # of debiased betas the first is 0
    Case(
        Row("ADOPT", "heavyball:ADOPT", _ADOPT),
        [1.0],
        [[1.0], [3.0]],
        [1 - 0.1 * 0.2],
        [1 - 0.1 * 3],
    ),
    Case(
        Row(
            "Adan",
            "optax:adan",
            ours={"lr": 0.1, "betas": (0.5, 0.75, 0.5), "eps": 0.0},
            theirs=_OF_OPTAX,
        ),
        [1.0],
        [[1.0], [2.0]],
        adan(0.75),
        adan(0.25),
    ),
    # m = g = 2 and vhat = 4: (2 + 3 2) / 2; of averages, (0.02 + 3 2) / sqrt(0.05 4) / sqrt(0.05)
    Case(
        Row("SimplifiedAdEMAMix", K + "SimplifiedAdEMAMix", {"lr": 0.1, "alpha": 3.0, "eps": 0.0}),
        [1.0],
        [[2.0]],
        [1 - 0.1 * 4],
        [1 - 0.1 * 6.02 / math.sqrt(0.2) / math.sqrt(0.05)],
    ),
    # g / (|g| + eps) + p; the norm of g is sqrt(10)
    Case(
        Row("LAMB", T + "Lamb", {"lr": 0.1, "eps": 1.0, "weight_decay": 1.0}),
        [3.0, 4.0],
        [[3.0, 1.0]],
        lamb(3 / 4 + 3, 1 / 2 + 4),
        lamb(3 / (3 + math.sqrt(10)) + 3, 1 / (1 + math.sqrt(10)) + 4),
    ),
    Case(
        Row(
            "LAMB",
            K + "Lamb",
            {"lr": 0.1, "eps": 0.0, "weight_decay": 1.0},
            theirs={"max_grad_norm": 0.0, "weight_decouple": False},
        ),
        [3.0, 4.0],
        [[2.0, 2.0]],
        lamb(1 + 3, 1 + 4),
        lamb(_RAW + 3, _RAW + 4, lr=0.1 / (1 - 0.9)),
    ),
    # the ratio is 0.001 |p| / |g| = 0.005
    Case(
        Row("LARS", K + "LARS", {"lr": 1.0}, ours={"eps": 0.0}),
        [3.0, 4.0],
        [[0.6, 0.8]],
        [3 - 0.003, 4 - 0.004],
        [3 - 0.6, 4 - 0.8],
    ),
    # the decayed gradient is 1 + 3 = 4, its norm 4, and the first step of length d0
    Case(
        Row("DAdaptSGD", "dadaptation:DAdaptSGD", {"weight_decay": 1.0, "d0": 0.1}),
        [3.0],
        [[1.0]],
        [3 - 0.1],
        [3 - 0.1 * 4],
    ),
    Case(
        Row("DAdaptAdam", "optax.contrib:dadapt_adamw", **_D0),
        [1.0],
        [[1.0]],
        _PRODIGY,
        [1 - 0.1],
    ),
    Case(Row("Prodigy", "optax.contrib:prodigy", **_D0), [1.0], [[1.0]], _PRODIGY, [1 - 0.1]),
    # Without memory a step is the sign; that of the reset has 1 - 0.99 of it, and the one behind it
    # would have 1 - 0.99 / 2.
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
        [-1.505],
    ),
    # the signs of both momenta are those of one
    Case(
        Row(
            "AdaMuon",
            K + "AdaMuon",
            ours=_MUON,
            theirs={
                **{"lr": 0.1, "betas": (0.5, 0.5), "eps": 1e-30},
                **{"ns_steps": 1, "ns_coeffs": _AS_IT_IS},
            },
            group={"use_muon": True},
            tolerance=1e-2,
        ),
        diagonal(0, 0),
        [diagonal(2, 1), diagonal(0, 1)],
        muon([1.0] * 4, [1.0] * 4),
        _OF_MOMENTA,
    ),
    Case(
        Row(
            "AdaMuon",
            T + "Muon",
            ours=_MUON,
            theirs={**_TIMM, "ns_coefficients": _AS_IT_IS, "eps": 1e-30},
            tolerance=1e-2,
        ),
        diagonal(0, 0),
        [diagonal(2, 1), diagonal(0, 1)],
        muon([1.0] * 4, [1.0] * 4),
        _OF_MOMENTA,
    ),
]


def end(make: Any, case: Case) -> torch.Tensor:
    with doubles(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        p = torch.tensor(case.start, dtype=torch.float64, requires_grad=True)
        optimizer = make([p])
        for g in case.gradients:
            p.grad = torch.tensor(g, dtype=torch.float64)
            optimizer.step()
        return p.detach()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ours_is_where_the_papers_lines_end(case):
    expected = torch.tensor(case.end, dtype=torch.float64)
    torch.testing.assert_close(end(case.row.make_ours, case), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_theirs_is_where_the_table_says_and_that_is_elsewhere(case):
    paper, expected = (
        torch.tensor(place, dtype=torch.float64) for place in (case.end, case.theirs)
    )
    assert (paper - expected).abs().max() > 1e-3
    # some packages keep a number in single precision, and iterate matrices in bfloat16
    near = max(1e-6, case.row.tolerance)
    torch.testing.assert_close(end(case.row.make_theirs, case), expected, rtol=near, atol=1e-6)


def test_every_row_that_differs_has_such_numbers():
    differing = {(row.name, row.place) for row in ROWS if row.differs}
    assert differing == {(case.row.name, case.row.place) for case in CASES}
