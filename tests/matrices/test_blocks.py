"""A block of a matrix is stepped as a parameter of its own, whatever the rule."""

import collections
import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from tests.matrices.blocks import RULES, Run, cut, numbers
from thalweg import rules
from thalweg.chain import chain
from thalweg.either import either
from thalweg.reductions import norm
from thalweg.rule import Rule, Stage, setting, state
from thalweg.stages import SAM, ClipNorm, Lookahead, TrustRatio
from thalweg.view import blocks_of

BORDERS = ["torch", "numpy"]
STEPS = 10

# shapes, block_size, merge_dims: even blocks, smaller ones at the edges, of both; one row; a vector
# beside; small axes together, and then cut; a stack of matrices
CASES = [
    ([(6, 6)], 3, 0),
    ([(7, 5)], 3, 0),
    ([(4, 9), (5, 5)], 4, 0),
    ([(9, 2), (2, 9)], 4, 0),
    ([(1, 7)], 3, 0),
    ([(4, 2, 3)], 0, 6),
    ([(1, 6, 2, 3)], 4, 6),
    ([(3, 4, 5)], 4, 5),
]
# of more than two axes, which not every rule takes as they are
AS_THEY_ARE = [([(5, 3, 2)], 4, 0), ([(4, 2, 2, 2), (3, 3)], 3, 0)]


# as docs/matrices.md has them: the shape, block_size, merge_dims, how many blocks, and which
SEEN = [
    ((32000, 768), 1024, 0, {(1024, 768): 31, (256, 768): 1}),
    ((4096, 4096), 1024, 0, {(1024, 1024): 16}),
    ((64, 64, 3, 3), 0, 1024, {(64, 576): 1}),
    ((64, 64, 3, 3), 0, 10_000, {(4096, 9): 1}),
    ((64, 64, 3, 3), 512, 0, {(64, 512, 1, 1): 1, (64, 64, 1, 1): 1}),
    ((1, 512, 4, 128), 0, 512, {(512, 512): 1}),
    ((8, 512, 512), 0, 512, {(512, 512): 8}),
    ((8, 512, 512), 384, 512, dict.fromkeys([(384, 384), (384, 128), (128, 384), (128, 128)], 8)),
    ((4, 3, 2), 0, 100, {(4, 6): 1}),
    ((1, 6, 1), 0, 100, {(1, 6): 1}),
]


@pytest.mark.parametrize(("shape", "block_size", "merge_dims", "seen"), SEEN, ids=str)
def test_a_parameter_is_seen_as_these_blocks(shape, block_size, merge_dims, seen):
    blocks = blocks_of(shape, block_size, merge_dims)
    assert collections.Counter(blocks.shapes) == seen
    numbered = np.arange(np.prod(shape)).reshape(blocks.sides)
    found = [one for place in blocks.places for one in numbered[place].ravel().tolist()]
    assert sorted(found) == list(range(np.prod(shape)))


@pytest.mark.parametrize("shape", [(), (5,), (5, 5), (0, 9), (9, 0, 2)], ids=str)
def test_what_is_small_or_no_matrix_is_no_blocks(shape):
    assert blocks_of(shape, 5, 0) is None
    assert blocks_of(shape) is None


def compare(border, name, shapes, block_size, merge_dims, steps=STEPS, off=0.0, **more):
    """A run in blocks, and one of the blocks as parameters, both after these steps: they are to be
    the same, or no further `off`."""
    start = [numbers(shape, i) for i, shape in enumerate(shapes)]
    whole = Run(border, name, start, block_size=block_size, merge_dims=merge_dims, **more)
    apart = Run(border, name, cut(start, block_size, merge_dims), **more)
    for t in range(steps):
        gradients = [numbers(shape, 100 * (t + 1) + i) for i, shape in enumerate(shapes)]
        whole.step(gradients)
        apart.step(cut(gradients, block_size, merge_dims))
        for a, b in zip(cut(whole.values, block_size, merge_dims), apart.values, strict=True):
            np.testing.assert_allclose(a, b, rtol=off, atol=off)
    return whole, apart


@pytest.mark.parametrize(("shapes", "block_size", "merge_dims"), CASES, ids=str)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", RULES)
def test_a_block_is_stepped_as_a_parameter_of_its_own(name, border, shapes, block_size, merge_dims):
    compare(border, name, shapes, block_size, merge_dims)


@pytest.mark.parametrize(("shapes", "block_size", "merge_dims"), AS_THEY_ARE, ids=str)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", ["PSGDKron", "SOAP", "Shampoo"])
def test_so_is_one_of_rows_by_all_the_rest(name, border, shapes, block_size, merge_dims):
    compare(border, name, shapes, block_size, merge_dims)


sides = st.integers(1, 9)


@given(
    st.sampled_from(["SOAP", "Shampoo", "PSGDKron"]),
    st.sampled_from(BORDERS),
    st.lists(st.lists(sides, min_size=2, max_size=4).map(tuple), min_size=1, max_size=2),
    st.integers(0, 10),
    st.integers(0, 30),
)
@settings(max_examples=25)
def test_whatever_the_shape_and_the_blocks(name, border, shapes, block_size, merge_dims):
    compare(border, name, shapes, block_size, merge_dims, steps=3)


class Watching(TorchDispatchMode):
    """Somebody looks at torch's operators, so that the step is run as it is written."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("shapes", "block_size", "merge_dims"), [*CASES, *AS_THEY_ARE], ids=str)
@pytest.mark.parametrize("name", ["PSGDKron", "SOAP", "Shampoo"])
def test_the_fused_step_in_blocks_is_the_one_that_is_written(name, shapes, block_size, merge_dims):
    start = [numbers(shape, i) for i, shape in enumerate(shapes)]
    made = functools.partial(
        Run, "torch", name, start, block_size=block_size, merge_dims=merge_dims
    )
    fused, written = made(), made()
    if name == "SOAP":  # a gradient of low rank has many bases: both begin with one step alike
        fused.walk(1)
        written.walk(1)
    for t in range(1, STEPS):
        fused.walk(1, start=t)
        with Watching():
            written.walk(1, start=t)
    for a, b in zip(fused.values, written.values, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", RULES)
def test_a_block_as_large_as_the_matrix_changes_no_bit_and_no_state(name):
    start = [numbers((6, 4), 0), numbers((5, 5), 1)]
    plain, blocked = Run("torch", name, start), Run("torch", name, start, block_size=6)
    plain.walk(4)
    blocked.walk(4)
    for a, b in zip(plain.values, blocked.values, strict=True):
        np.testing.assert_array_equal(a, b)
    assert plain.kept() == blocked.kept()


@pytest.mark.parametrize("way", ["transposed", "a piece of a larger one", "channels last"])
def test_it_does_not_matter_how_weights_lie(way):
    shape = (6, 4, 2, 2) if way == "channels last" else (6, 5)
    start, size = [numbers(shape, 0)], {"block_size": 4, "merge_dims": 8}
    plain, other = Run("torch", "Shampoo", start, **size), Run("torch", "Shampoo", start, **size)
    (p,) = other.params
    if way == "transposed":
        p.data = p.data.mT.contiguous().mT
    elif way == "channels last":
        p.data = p.data.to(memory_format=torch.channels_last)
    else:
        p.data = torch.cat([p.data, p.data], 1)[:, :5]
    plain.walk(5)
    other.walk(5)
    np.testing.assert_array_equal(plain.values[0], other.values[0])


@pytest.mark.parametrize("border", BORDERS)
def test_what_is_no_matrix_goes_on_as_it_is(border):
    shapes = [(7, 5), (5,), (3, 3)]
    whole, _ = compare(border, "SOAP", shapes, 4, 0, weight_decay=0.1)
    assert whole.kept(1) == {"step": (), "exp_avg": (5,), "exp_avg_sq": (5,)}


def test_a_side_too_long_for_a_rule_is_cut():
    start = [numbers((10_001, 2), 0)]
    whole, blocked = (Run("torch", "SOAP", start, block_size=size) for size in (0, 5000))
    whole.walk(1)
    assert set(whole.kept()) == {"step", "exp_avg", "exp_avg_sq"}  # Adam's
    assert blocked.opt._chain.choice.which((10_001, 2), {"block_size": 5000}) == 0
    assert [s[0] for s in blocks_of((10_001, 2), 5000).shapes] == [5000, 5000, 1]


@pytest.mark.parametrize("border", BORDERS)
def test_a_convolution_whose_axes_are_merged_is_a_matrix_to_muon(border):
    start = [numbers((6, 4, 2, 2), 0)]
    merged = Run(border, "Muon", start, merge_dims=16)
    flat = Run(border, "Muon", start, flatten=True)
    for run in (merged, flat):
        run.walk(4)
    np.testing.assert_array_equal(merged.values[0], flat.values[0])
    with pytest.raises(ValueError, match="none that Muon takes"):
        Run(border, "Muon", start, block_size=8)


class Frame(Stage):
    """What of a gradient is more than one, in all of its tensor, is taken away."""

    @staticmethod
    def update(g):
        g = g / norm(g)
        return g


@pytest.mark.parametrize(
    "parts",
    [
        (ClipNorm, either(rules.Shampoo, rules.Adam), TrustRatio),
        (Frame, either(rules.SOAP, rules.Adam), Lookahead),
    ],
    ids=["ratio", "slow weights"],
)
@pytest.mark.parametrize("border", BORDERS)
def test_stages_see_blocks_as_tensors(border, parts):
    """A sum over a block that has gaps in memory is added up in another order."""
    compare(border, chain("Mine", *parts, lr=0.01), [(7, 5), (5,)], 4, 0, off=1e-11)


@pytest.mark.parametrize("border", BORDERS)
def test_a_gradient_elsewhere_is_asked_for_of_whole_parameters(border):
    made = chain("Far", SAM, either(rules.Shampoo, rules.Adam), lr=0.01)
    start = [numbers((7, 5), 0), numbers((5,), 1)]
    whole, apart = Run(border, made, start, block_size=4), Run(border, made, cut(start, 4, 0))

    def closure(run, t, of=lambda arrays: arrays):
        pushes = [numbers(one.shape, 10 * t + i) for i, one in enumerate(start)]
        both = zip(run.values, of(pushes), strict=True)
        run.give([np.tanh(p - g) for p, g in both])

    for t in range(6):
        whole.opt.step(functools.partial(closure, whole, t))
        apart.opt.step(functools.partial(closure, apart, t, lambda arrays: cut(arrays, 4, 0)))
    for a, b in zip(cut(whole.values, 4, 0), apart.values, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("name", ["APOLLO", "SOAP", "PSGDKron"])
def test_a_late_gradient_gets_the_first_step_it_would_have_got(name, border):
    start = [numbers((5, 7), 0), numbers((7, 5), 1)]
    settings = {"block_size": 4, **({"seed": 3} if name != "SOAP" else {})}
    late, early = Run(border, name, start, **settings), Run(border, name, start, **settings)
    for t in range(3):
        late.give([numbers(one.shape, t) for one in start])
        late.params[1].grad = None
        late.opt.step()
    late.step([numbers(one.shape, 9) for one in start])
    early.step([numbers(one.shape, 9) for one in start])
    np.testing.assert_array_equal(late.values[1], early.values[1])


def test_parameters_that_share_memory_are_stepped_one_after_the_other():
    start = numbers((5, 4), 0)
    both, alone = (
        Run("torch", "Shampoo", [start, start], block_size=3),
        Run("torch", "Shampoo", [start], block_size=3),
    )
    both.params[1].data = both.params[0].data
    g = [numbers((5, 4), 7), numbers((5, 4), 8)]
    both.step(g)
    first = Run("torch", "Shampoo", [start], block_size=3)
    first.step(g[:1])
    alone.params[0].data.copy_(first.params[0].data)
    alone.step(g[1:])
    np.testing.assert_array_equal(both.values[0], alone.values[0])


class All(Rule):
    """A matrix, with one number for all tensors."""

    lr: float = setting(0.1)
    n = state("n", per="all")

    @staticmethod
    def update(g, n, lr):
        n = n + 1
        u = lr / n * (g @ g.mT @ g)
        return u, n


class Sized(Stage):
    """The size of a gradient, kept of each tensor."""

    size = state("size", per="tensor")

    @staticmethod
    def update(g, size):
        size = norm(g)
        g = g / size
        return g, size


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize(
    ("made", "settings", "said"),
    [
        ("SOAP", {"block_size": -1}, "SOAP: block_size must be >= 0, got -1"),
        ("SOAP", {"merge_dims": 1.5}, "SOAP: merge_dims must be an integer, got 1.5"),
        ("SOAP", {"block_size": "large"}, "SOAP: block_size must be a number, got 'large'"),
        ("AdamW", {"block_size": 8}, "AdamW: .*block_size"),
        (chain("All", All), {"block_size": 8}, "All: block_size .* n is kept for all parameters"),
        (
            chain("Sized", Sized, either(rules.Shampoo, rules.Adam)),
            {"merge_dims": 8},
            "Sized: merge_dims .* size is measured of a whole one",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_in_blocks_is_a_sentence(border, made, settings, said):
    with pytest.raises((TypeError, ValueError), match=said):
        Run(border, made, [numbers((6, 4), 0)], **settings)


def test_autograd_goes_through_whole_parameters_only():
    run = Run("torch", "Shampoo", [numbers((6, 4), 0)], block_size=3, differentiable=True)
    with pytest.raises(RuntimeError, match=r"differentiable=True .* must be 0"):
        run.walk(1)
