"""What the tests of mytorch.optim share: every class, gradients that depend on the step, steps."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tests.cases import SUBJECTS
from thalweg.mytorch import nn, optim

SHAPES = ((3, 4), (4,), (), (2, 3, 2, 2), (0, 3))

# every class once, with settings that leave none of its states out
EVERY: dict[str, Mapping[str, Any]] = {one.name: one.whole for one in SUBJECTS} | {
    "AdaGrad": {"lr": 0.1}
}

# those that torch has too
TWINS = [one.name for one in SUBJECTS if one.has_twin and not one.is_for_sparse]


def make(name: str, params: Any, **settings: Any) -> optim.Optimizer:
    return getattr(optim, name)(params, **{**EVERY[name], **settings})


def numbers(shape: Sequence[int], seed: int, dtype: Any = np.float64) -> np.ndarray:
    """Normal numbers, the same for the same seed."""
    return np.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def weights(shapes: Iterable[Sequence[int]] = SHAPES, dtype: Any = np.float64) -> list:
    return [nn.Parameter(numbers(shape, i, dtype)) for i, shape in enumerate(shapes)]


def params_of(opt: optim.Optimizer) -> list[nn.Parameter]:
    return [p for group in opt.param_groups for p in group["params"]]


def give_gradients(params: Iterable[nn.Parameter], t: int) -> None:
    for i, p in enumerate(params):
        p.grad = numbers(p.shape, 1000 * (t + 1) + i, p.dtype)


def walk(opt: optim.Optimizer, steps: int = 1, start: int = 0) -> None:
    """Take steps `start` to `start + steps` along gradients that depend on the step alone."""
    for t in range(start, start + steps):
        give_gradients(params_of(opt), t)
        opt.step()


def values(params: Iterable[nn.Parameter]) -> list[np.ndarray]:
    return [p.data.copy() for p in params]


def assert_same(have: Iterable[Any], want: Iterable[Any]) -> None:
    """Equal bit for bit."""
    for a, b in zip(have, want, strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), strict=True)


def assert_same_state(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Two state_dicts hold the same, bit for bit."""
    assert one["param_groups"] == other["param_groups"]
    assert one["state"].keys() == other["state"].keys()
    for number, held in one["state"].items():
        twin = other["state"][number]
        assert held.keys() == twin.keys()
        assert_same(held.values(), [twin[key] for key in held])
