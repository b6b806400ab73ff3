"""Adafactor: its rule, and the class that runs it on vectors, on matrices and on what is odd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.chain import chain
from thalweg.elementwise import lerp, maximum, sqrt
from thalweg.optim.base import BaseOptimizer
from thalweg.optim.factored import Factored, is_row_by_row, step_as_written
from thalweg.optim.layout import Layout, Seen, look
from thalweg.optim.lots import Lot
from thalweg.optim.states import number_type
from thalweg.rule import Rule, measure, setting, state, switch
from thalweg.settings import Setting
from thalweg.stages import Maximize

__all__ = ["Adafactor"]


class AdafactorStep(Rule):
    """One step of Adafactor: of a vector, or of a matrix whose factors are known.

    Of a matrix, `r` is the root of a row's factor, divided by the mean of all rows', and `c` the
    roots of the columns' factors.
    """

    lr: float = setting(1e-2, low=0)
    beta2_decay: float = setting(-0.8, high=0)
    eps: tuple[float, float] = setting((0.0, 1e-3), low=0)
    d: float = setting(1.0, low=1)
    weight_decay: float = setting(0.0, low=0)
    factored: bool = False
    r: float = 1.0

    v = state("variance", when="whole")
    c = state("c", when="factored")

    @switch
    def whole(h):
        return not h.factored

    @measure("tensor", "mean")
    def p_square(p):
        return p * p

    @measure("tensor", "mean")
    def u_square(g, v, c, r, w, eps1, factored):
        u = g / maximum(r * c if factored else sqrt(lerp(v, g * g, w)), eps1)
        return u * u

    @staticmethod
    def scalars(h, t):
        eps1, eps2 = h.eps
        return dict(
            w=t**h.beta2_decay,
            rho=min(h.lr, 1 / sqrt(t)),
            keep=1 - h.lr * h.weight_decay,
            eps1=eps1,
            eps2=eps2,
        )

    @staticmethod
    def update(p, g, v, c, r, w, rho, keep, eps1, eps2, d, factored, p_square, u_square):
        if factored:
            u = g / maximum(r * c, eps1)
        else:
            v = lerp(v, g * g, w)
            u = g / maximum(sqrt(v), eps1)
        size, clip = sqrt(p_square), sqrt(u_square) / d
        return p, v, c
