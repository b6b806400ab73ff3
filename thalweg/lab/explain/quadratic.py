"""Steps of an optimizer on a small quadratic valley, each explained before it is taken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.lab.explain.step import Explanation, explain_asking
from thalweg.mytorch.nn import Parameter
from thalweg.requests import drawn
from thalweg.text import Request

__all__ = ["SHAPE", "steps_on_quadratic"]

SHAPE = (2, 3)
_STEEPEST = 10.0


def steps_on_quadratic(
    make: Callable[..., Any],
    steps: int,
    seed: int = 0,
    index: tuple[int, ...] | None = None,
    shown: int = 10,
    progress: Callable[[range], Iterable[int]] = iter,
) -> list[Explanation]:
    """Some steps of an optimizer of mytorch, `make(params)`, on a quadratic: the last that are
    `shown` of so many, explained.

        f(p) = 1/2 sum of c p^2,       c from 1 to 10, p drawn with the seed

    p is a matrix of two rows, for the parts of an optimizer that look at matrices alone.
    """
    curvature = np.geomspace(1.0, _STEEPEST, np.prod(SHAPE)).reshape(SHAPE)
    p = Parameter(np.random.default_rng(seed).normal(size=SHAPE))
    opt = make([p])
    found = []
    names = {one.of for one in opt.chain.requests.values() if one.kind != "noise"}

    def ask(request: Request, at: Any) -> Any:
        if request.kind == "noise":
            return drawn(at[0], at[1], 0, request.name, SHAPE)
        return curvature * at  # the gradient at other weights, and the Hessian along a direction

    def evaluate() -> float:
        p.grad = curvature * p.data
        return float((p.grad * p.data).sum() / 2)

    for t in progress(range(1, steps + 1)):
        gradient: NDArray[np.float64] = curvature * p.data
        p.grad = gradient
        if t > steps - shown:
            found.append(explain_asking(opt, p, index, ask))
        if names:
            opt.step(evaluate, **dict.fromkeys(names - {"loss"}, evaluate))
        else:
            opt.step()
    return found
