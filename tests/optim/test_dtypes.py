"""Narrow parameters, and gradients and states in another type than their parameter."""

import pytest
import torch
from torch.nn import Parameter

from tests.optim.runs import (
    OURS,
    TWINS,
    all_arrays,
    arrays_of,
    assert_close,
    assert_same,
    give_gradients,
    having,
    numbers,
    ours,
    torchs,
    walk,
    weights,
)

HALVES = [torch.bfloat16, torch.float16]


@pytest.fixture(params=OURS)
def name(request):
    return request.param


@pytest.mark.parametrize("dtype", [*HALVES, torch.float32], ids=str)
@pytest.mark.parametrize("name", TWINS)
def test_a_step_is_no_farther_from_the_truth_than_torchs(name, dtype):
    """The truth is torch in float64 from the same start along the same gradients."""
    mine, theirs, truth = (weights(dtype=dtype) for _ in range(3))
    truth = [Parameter(p.detach().double()) for p in truth]
    opts = [ours(name, mine), torchs(name, theirs), torchs(name, truth)]
    for t in range(10):
        give_gradients(mine, t)
        for p, q, exact in zip(mine, theirs, truth, strict=True):
            q.grad, exact.grad = p.grad.clone(), p.grad.double()
        for opt in opts:
            opt.step()

    def distance(params):
        errors = [p.double() - e for p, e in zip(params, truth, strict=True)]
        return torch.cat([e.detach().flatten() for e in errors]).square().mean().sqrt()

    # luck decides the last digits of 41 numbers
    assert distance(mine) <= 1.25 * distance(theirs)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_a_narrow_parameter_is_computed_in_single_precision(name, dtype):
    """One step from zero states: what the wide class gives, rounded once."""
    narrow = weights(dtype=dtype)
    wide = [Parameter(p.detach().float()) for p in narrow]
    give_gradients(narrow, 0)
    for p, q in zip(narrow, wide, strict=True):
        q.grad = p.grad.float()
    ours(name, narrow).step()
    ours(name, wide).step()
    assert_same(narrow, [q.detach().to(dtype) for q in wide])


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_a_narrow_parameter_takes_wide_gradients(name, dtype):
    """`p.grad_dtype` allows it, and torch's own AdamW does not."""
    mixed, plain = weights(dtype=dtype), weights(dtype=dtype)
    opt, other = ours(name, mixed), ours(name, plain)
    for t in range(6):
        give_gradients(plain, t)
        for p, q in zip(mixed, plain, strict=True):
            p.grad_dtype = torch.float32
            p.grad = q.grad.float()
        opt.step()
        other.step()
    assert {p.grad.dtype for p in mixed} == {torch.float32}
    assert_same(mixed, plain)


def test_gradients_may_change_their_type_from_step_to_step(name):
    mixed, plain = weights(dtype=torch.bfloat16), weights(dtype=torch.bfloat16)
    opt, other = ours(name, mixed), ours(name, plain)
    for t in range(6):
        give_gradients(plain, t)
        for i, (p, q) in enumerate(zip(mixed, plain, strict=True)):
            p.grad = None  # torch changes the type of no gradient that is there
            p.grad_dtype = torch.float32 if (t + i) % 2 else torch.bfloat16
            p.grad = q.grad.to(p.grad_dtype)
        opt.step()
        other.step()
    assert_same(mixed, plain)


def test_wide_gradients_keep_their_digits(name):
    """Below bf16's eight bits there is something to lose."""
    p, exact = Parameter(torch.zeros(64, dtype=torch.bfloat16)), Parameter(torch.zeros(64))
    opt, other = ours(name, [p]), ours(name, [exact])
    p.grad_dtype = torch.float32
    p.grad = 1 + numbers((64,), 1, torch.float32) / 1000
    exact.grad = p.grad.clone()
    opt.step()
    other.step()
    for key, state in arrays_of(opt, p).items():
        state_of_the_wide = other.state[exact][key]
        assert torch.equal(state, state_of_the_wide.to(state.dtype))


@pytest.mark.parametrize(
    ("parameter", "state"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.bfloat16),
        (torch.float32, torch.float64),
        (torch.float64, torch.float32),
    ],
    ids=str,
)
def test_states_may_be_in_another_type(name, parameter, state):
    params, plain = weights(dtype=parameter), weights(dtype=parameter)
    opt, other = ours(name, params), ours(name, plain)
    walk(opt)
    walk(other)
    for held, key in all_arrays(opt):
        held[key] = held[key].to(state)
    walk(opt, 5, start=1)
    walk(other, 5, start=1)
    assert {held[key].dtype for held, key in all_arrays(opt)} == {state}
    coarsest = max(parameter, state, key=lambda kind: torch.finfo(kind).eps)
    if opt.chain.shared:  # a rate that is found by ratios of sums: no rounding bounds what it is
        return
    for p, q in zip(params, plain, strict=True):
        # each of five steps rounds numbers of size 1 once in the coarser type
        torch.testing.assert_close(p, q, rtol=0, atol=20 * torch.finfo(coarsest).eps)


@pytest.mark.parametrize("name", TWINS)
def test_types_go_together_in_one_optimizer(name):
    kinds = [torch.float32, torch.float64, torch.bfloat16, torch.complex64]
    mine = [p for kind in kinds for p in weights([(3, 4), (4,)], kind)]
    alone = [weights([(3, 4), (4,)], kind) for kind in kinds]
    opt, others = ours(name, mine), [ours(name, params) for params in alone]
    for t in range(5):
        for params, other in zip(alone, others, strict=True):
            give_gradients(params, t)
            other.step()
        for p, q in zip(mine, [q for params in alone for q in params], strict=True):
            p.grad = q.grad.clone()
        opt.step()
    assert_same(mine, [q for params in alone for q in params])


# whose step is a difference: that of two zeros has either sign
DIFFERENCES = {"AdaPNM", "DAdaptSGD", "Ranger21"}


def test_subnormal_and_huge_halves_survive(name):
    """They are moved as integers and must come back as they were."""
    for dtype in HALVES:
        info = torch.finfo(dtype)
        edge = torch.tensor([info.tiny, info.tiny / 4, info.max, -info.max, 0.0, -0.0], dtype=dtype)
        p = Parameter(edge.clone())
        still = {key: 0.0 for key in ("lr", "weight_decay") if name in having(key)}
        opt = ours(name, [p], **still)
        p.grad = torch.zeros_like(p)
        opt.step()
        assert torch.equal(p.detach(), edge)
        yields = any("u" in rule.text.source.returned for rule in opt.chain.rules)
        if yields and name not in DIFFERENCES:  # a step of zero
            assert torch.equal(p.detach().view(torch.int16), edge.view(torch.int16))


def test_rounding_is_to_nearest_and_ties_to_even():
    p = Parameter(torch.ones(3, dtype=torch.bfloat16))
    p.grad_dtype = torch.float32
    p.grad = -torch.tensor([2.0**-8, 3 * 2.0**-8, 2.0**-8 + 2.0**-16])
    ours("SGD", [p], lr=1.0, momentum=0, nesterov=False, weight_decay=0).step()
    assert p.tolist() == [1.0, 1 + 2 * 2.0**-7, 1 + 2.0**-7]


@pytest.mark.parametrize("name", ["AdamW"])
def test_float32_equals_torchs_fused_form_to_its_last_digits(name):
    mine, theirs = weights(dtype=torch.float32), weights(dtype=torch.float32)
    walk(ours(name, mine), 20)
    walk(torchs(name, theirs, fused=True), 20)
    assert_close(mine, theirs)
