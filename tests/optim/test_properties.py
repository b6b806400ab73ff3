"""Whatever the shapes, strides, types, groups and settings: fused = oracle = torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

import thalweg.optim as optim
from tests.drawn import value
from tests.optim.parity import default_dtype
from tests.optim.runs import TWINS, numbers
from tests.plain import PLAIN
from thalweg.chain import Chain
from thalweg.optimizers import OPTIMIZERS

pytestmark = pytest.mark.slow  # each example compiles what its settings ask for

# A step is a few dozen roundings of 2^-53 or 2^-24. Up to four digits go where numbers drawn at
# random nearly cancel, such as weight decay and a gradient, and a step divides by what is left; a
# wrong line shows in the first. bfloat16 has no digit to lose: where two numbers that differ in the
# last bit of float32 lie across the middle between neighbours, each step may end on either of them.
RELATIVE = {
    torch.float64: 1e-11,
    torch.complex128: 1e-11,
    torch.float32: 1e-3,
    torch.complex64: 1e-3,
    torch.bfloat16: 2.0**-6,
}
# what torch's classes read from the constructor's arguments, whatever a group says
FOR_ALL = ("initial_accumulator_value",)
LAYOUTS = ("contiguous", "transposed", "channels_last", "gaps")

# torch rounds to bfloat16 after every operation; test_parity.py says how far that is from ours
COMPARED = [dtype for dtype in RELATIVE if dtype != torch.bfloat16]


@dataclass(frozen=True)
class Weight:
    """A parameter: how it and its gradients lie in memory, and at which steps it has one."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    layout: str
    layout_of_grad: str
    has_grad: list[bool]

    def parameter(self, seed: int) -> Tensor:
        return laid_out(numbers(self.shape, seed, self.dtype), self.layout)

    def gradient(self, seed: int, t: int) -> Tensor | None:
        if not self.has_grad[t]:
            return None
        if self.layout_of_grad == "expanded":  # one row for all, as a sum over them has it
            return numbers((1, *self.shape[1:])[: len(self.shape)], seed, self.dtype).expand(
                self.shape
            )
        return laid_out(numbers(self.shape, seed, self.dtype), self.layout_of_grad)


@dataclass(frozen=True)
class Problem:
    """Groups of settings and parameters, and a seed for the numbers in them."""

    groups: list[tuple[dict[str, Any], list[Weight]]]
    steps: int
    seed: int

    def run(self, made: type[torch.optim.Optimizer], **flags: Any) -> list[list[Tensor]]:
        """Each parameter and its states after all steps."""
        weights = [weight for _, of_group in self.groups for weight in of_group]
        params = [weight.parameter(self.seed + i) for i, weight in enumerate(weights)]
        left = iter(params)
        groups = [{**given, "params": [next(left) for _ in of]} for given, of in self.groups]
        for name in FOR_ALL:
            values = [group.pop(name) for group in groups if name in group]
            flags |= {name: values[0]} if values else {}
        opt = made(groups, **flags)
        for t in range(self.steps):
            for i, (p, weight) in enumerate(zip(params, weights, strict=True)):
                p.grad = weight.gradient(self.seed + 100 * (t + 1) + i, t)
            opt.step()
        return [[p, *_tensors(opt.state.get(p, {}))] for p in params]


def _tensors(state: dict[str, Any]) -> list[Tensor]:
    """What is kept of one parameter, by key; a Python int as a tensor."""
    return [torch.as_tensor(state[key]) for key in sorted(state)]


def laid_out(values: Tensor, layout: str) -> Tensor:
    """The same values, otherwise in memory where their axes allow it."""
    if layout == "transposed" and values.dim() > 1:
        return values.transpose(0, -1).contiguous().transpose(0, -1)
    if layout == "channels_last" and values.dim() == 4:
        return values.contiguous(memory_format=torch.channels_last)
    if layout == "gaps" and values.dim() > 0:
        return torch.stack([values, values], dim=-1).flatten(-2)[..., ::2]
    return values


@st.composite
def given_to(draw: st.DrawFn, chain: Chain) -> dict[str, Any]:
    """Settings of a group: some of those in the constructor's signature."""
    shown = {name: chain.settings[name] for name in chain.signature.shown}
    found = draw(st.fixed_dictionaries({}, optional={n: value(s) for n, s in shown.items()}))
    try:
        chain.check({**chain.defaults, **found})
    except ValueError:  # each in its range, but not together
        assume(False)
    # at 0, v - a^2 is the rounding error of g^2 - g^2, and its root as good as random; above 1 it
    # is negative, where torch has a NaN and ours is zero
    assume(not (found.get("centered") and not 0 < found.get("alpha", 0.99) <= 1))
    return found


@st.composite
def problems(draw: st.DrawFn, name: str, dtypes: list[torch.dtype]) -> Problem:
    steps = draw(st.integers(1, 5))
    weights = st.builds(
        Weight,
        shape=st.lists(st.integers(0, 5), max_size=4).map(tuple),
        dtype=st.sampled_from(dtypes),
        layout=st.sampled_from(LAYOUTS),
        layout_of_grad=st.sampled_from([*LAYOUTS, "expanded"]),
        has_grad=st.lists(st.sampled_from([True, True, False]), min_size=steps, max_size=steps),
    )
    group = st.tuples(given_to(OPTIMIZERS[name]), st.lists(weights, min_size=1, max_size=3))
    groups = draw(st.lists(group, min_size=1, max_size=3))
    for key in OPTIMIZERS[name].alike:  # of what finds one step size for all
        groups = [({k: v for k, v in own.items() if k != key}, rows) for own, rows in groups]
    return Problem(groups, steps, draw(st.integers(0, 2**31)))


def assert_alike(
    ours: list[list[Tensor]], theirs: list[list[Tensor]], is_shared: bool = False
) -> None:
    """Equal to the digits that a type can promise, of each number or of the largest beside it;
    where one number is for all tensors, to those of the shortest type among them."""
    least = max(RELATIVE[mine[0].dtype] for mine in ours) if ours else 0.0
    for mine, other in zip(ours, theirs, strict=True):
        relative = least if is_shared else RELATIVE[mine[0].dtype]
        for a, b in zip(mine, other, strict=True):
            assert a.dtype == b.dtype
            floor = relative * float(b.abs().nan_to_num().max()) if b.numel() else 0.0
            torch.testing.assert_close(
                a, b, rtol=relative, atol=floor, equal_nan=True, check_stride=False
            )


@pytest.mark.parametrize("name", PLAIN)
@given(data=st.data())
def test_the_fused_pass_is_the_oracle(name, data):
    problem = data.draw(problems(name, list(RELATIVE)))
    made = getattr(optim, name)
    is_shared = bool(made.chain.shared or made.chain.asked_of_all)
    assert_alike(problem.run(made), problem.run(made, differentiable=True), is_shared)


@pytest.mark.parametrize("name", list(TWINS))
@given(data=st.data())
def test_the_fused_pass_is_torch(name, data):
    problem = data.draw(problems(name, COMPARED))
    with default_dtype(torch.float64):  # or torch keeps eta, mu and mu_product in float32
        ours = problem.run(getattr(optim, name))
        theirs = problem.run(getattr(torch.optim, name), foreach=False)
    assert_alike(ours, theirs)
