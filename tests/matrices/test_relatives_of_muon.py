"""Muon's relatives and rules of low rank take their papers' steps, on NumPy and on torch.

torch iterates Newton and Schulz in bfloat16; here it is let do so in the weights' own type.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

import thalweg.optim as optim
from tests.matrices import low_rank_papers, orthogonal_papers
from thalweg import matrices, mytorch
from thalweg.requests import drawn

STEPS = 50
FOUR = (4, 2, 3, 3)

ORTHOGONAL = [
    ("Muon", {}, (5, 7)),
    ("Muon", {"nesterov": False, "momentum": 0.8, "weight_decay": 0.0}, (6, 6)),
    ("Muon", {"adjust_lr_fn": "match_rms_adamw", "lr": 0.02}, (8, 3)),
    ("Muon", {"adjust_lr_fn": "spectral_norm", "lr": 0.01}, (8, 3)),
    ("Muon", {"flatten": True, "weight_decay": 0.0}, FOUR),
    ("Muon", {"flatten": True, "adjust_lr_fn": "spectral_norm", "nesterov": False}, FOUR),
    ("Muon", {"heads": 3, "adjust_lr_fn": "match_rms_adamw"}, (9, 4)),
    ("Muon", {"heads": 2, "momentum": 0.8}, (4, 7)),
    ("NorMuon", {}, (5, 7)),
    ("NorMuon", {"adjust_lr_fn": "match_rms_adamw", "lr": 1e-3, "weight_decay": 0.1}, (8, 3)),
    ("NorMuon", {"beta2": 0.7, "momentum": 0.8, "nesterov": False, "flatten": True}, FOUR),
    ("AdaMuon", {}, (5, 7)),
    ("AdaMuon", {"nesterov": True, "momentum": 0.8, "weight_decay": 0.1, "eps": 1e-3}, (8, 3)),
    ("AdaMuon", {"flatten": True, "lr": 1e-2}, FOUR),
    ("MuSGD", {}, (8, 3)),
    ("MuSGD", {"muon": 0.5, "sgd": 0.5, "nesterov": False, "weight_decay": 0.1}, (5, 7)),
    ("MuSGD", {"weight_decay": 0.01}, FOUR),
    ("MuSGD", {"weight_decay": 0.01}, (6,)),
    ("MuSGD", {"nesterov": False, "momentum": 0.5}, (6,)),
    ("Scion", {}, (5, 7)),
    ("Scion", {"momentum": 1.0, "scale": 50.0, "unconstrained": True}, FOUR),
    ("Scion", {"norm": "sign", "scale": 30.0}, (5, 7)),
    ("Scion", {"momentum": 0.5}, (6,)),
]

DION = [
    ({}, (5, 7)),
    ({}, (8, 3)),
    ({"rank": 2, "mu": 0.8, "lr": 0.1, "weight_decay": 0.1}, (5, 7)),
]

LOW_RANK = [
    ("GaLore", {"rank": 2}, (8, 5)),
    ("GaLore", {"rank": 3, "update_proj_gap": 7, "scale": 1.0, "weight_decay": 0.1}, (4, 9)),
    ("GaLore", {"betas": (0.7, 0.8), "eps": 1e-3}, (6, 6)),
    ("APOLLO", {"rank": 2}, (8, 5)),
    ("APOLLO", {"rank": 3, "update_proj_gap": 7, "weight_decay": 0.1}, (4, 9)),
    ("APOLLO", {"rank": 1, "scale": 128.0, "scale_type": "tensor", "lr": 1e-3}, (6, 6)),
    ("APOLLO", {"betas": (0.7, 0.8), "eps": 1e-3, "update_proj_gap": 10}, (9, 4)),
]


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    kept = [(kind, replace(one, short=lambda x: x)) for kind, one in matrices._libraries]
    monkeypatch.setattr(matrices, "_libraries", kept)


def assert_steps(name, settings, shape, wanted):
    """Both borders take the steps that `wanted(start, gradients)` yields."""
    draw = np.random.default_rng(3)
    start, gradients = draw.normal(size=shape), [draw.normal(size=shape) for _ in range(STEPS)]
    p, q = torch.nn.Parameter(torch.tensor(start)), mytorch.nn.Parameter(start)
    opt = getattr(optim, name)([p], **settings)
    other = getattr(mytorch.optim, name)([q], **settings)
    for g, after in zip(gradients, wanted(start, gradients), strict=True):
        p.grad, q.grad = torch.tensor(g), g
        opt.step()
        other.step()
        np.testing.assert_allclose(q.data, after, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(p.detach().numpy(), after, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("name", "settings", "shape"), ORTHOGONAL, ids=str)
def test_orthogonal_steps(name, settings, shape):
    paper = getattr(orthogonal_papers, name.lower())
    assert_steps(name, settings, shape, lambda p, gradients: paper(p, gradients, **settings))


@pytest.mark.parametrize("others", [{}, {"others": "AdamW"}], ids=str)
def test_rows_that_are_not_so_many_heads_move_nothing(others):
    p = torch.nn.Parameter(torch.ones(10, 4))
    opt = optim.Muon([p], heads=3, **others)
    p.grad = torch.ones_like(p)
    with pytest.raises(ArithmeticError, match="10 rows are not 3 pieces of as many rows each"):
        opt.step()
    assert torch.equal(p, torch.ones(10, 4))


def test_a_convolution_is_told_of_flatten():
    p = torch.nn.Parameter(torch.ones(2, 3, 3, 3))
    with pytest.raises(
        ValueError, match=r"none that Muon takes; flatten=True takes it as a matrix"
    ):
        optim.Muon([p])


@pytest.mark.parametrize(("settings", "shape"), DION, ids=str)
def test_dion(settings, shape):
    start = drawn(5, 1, 0, "noise1", shape).T
    assert_steps(
        "Dion",
        {"seed": 5, **settings},
        shape,
        lambda p, gradients: orthogonal_papers.dion(p, gradients, start, **settings),
    )


@pytest.mark.parametrize(("name", "settings", "shape"), LOW_RANK, ids=str)
def test_low_rank(name, settings, shape):
    def wanted(p, gradients):
        if name == "GaLore":
            return low_rank_papers.galore(p, gradients, **settings)
        normal = lambda t: drawn(0, t, 0, "noise1", shape)  # noqa: E731
        return low_rank_papers.apollo(p, gradients, normal, **settings)

    assert_steps(name, settings, shape, wanted)


def test_heads_of_a_matrix_without_rows_are_none():
    p = torch.nn.Parameter(torch.zeros(0, 3))
    p.grad = torch.zeros(0, 3)
    opt = optim.Muon([p], heads=2)
    opt.step()
    assert tuple(opt.state[p]["momentum_buffer"].shape) == (0, 3)
