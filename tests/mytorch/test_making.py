"""Tensors made of nothing, joined, and what is refused on the way."""

import math

import numpy as np
import pytest

from tests.mytorch.agreement import needs_torch
from thalweg import mytorch
from thalweg.mytorch import Tensor, get_rng_state, manual_seed, set_rng_state

MADE = {
    "zeros": lambda m: m.zeros(2, 3),
    "zeros of a tuple": lambda m: m.zeros((2, 3)),
    "zeros of no axis": lambda m: m.zeros(()),
    "zeros of a list and a type": lambda m: m.zeros([2], dtype=m.int64),
    "ones": lambda m: m.ones(3, dtype=m.float64),
    "full": lambda m: m.full((2, 2), 1.5),
    "full of whole numbers": lambda m: m.full((2,), 7),
    "full of truths": lambda m: m.full((2,), True),
    "eye": lambda m: m.eye(3),
    "eye of another width": lambda m: m.eye(2, 3),
    "arange": lambda m: m.arange(5),
    "arange from": lambda m: m.arange(2, 7, 2),
    "arange of floats": lambda m: m.arange(0, 1, 0.25),
    "arange down": lambda m: m.arange(5, 1, -2),
    "arange of nothing": lambda m: m.arange(3, 3),
    "linspace": lambda m: m.linspace(-1, 1, 5),
    "linspace of one": lambda m: m.linspace(2, 3, 1),
    "zeros_like": lambda m: m.zeros_like(m.ones(2, 3, dtype=m.float64)),
    "ones_like": lambda m: m.ones_like(m.tensor([1, 2])),
    "full_like": lambda m: m.full_like(m.ones(2), 3),
    "ones_like in another type": lambda m: m.ones_like(m.tensor([1, 2]), dtype=m.float32),
    "tensor": lambda m: m.tensor([[1.0, 2.0]]),
    "one_hot": lambda m: one_hot(m)(m.tensor([2, 0])),
    "one_hot of more": lambda m: one_hot(m)(m.tensor([[1], [0]]), num_classes=4),
    "cat of types": lambda m: m.cat([m.tensor([1, 2]), m.tensor([0.5])]),
    "stack of numbers": lambda m: m.stack([m.tensor(1.0), m.tensor(2.0)]),
    "split": lambda m: m.split(m.arange(7), 3)[-1],
    "chunk": lambda m: m.chunk(m.arange(7), 4)[-1],
    "chunk of fewer": lambda m: m.stack([m.tensor(len(m.chunk(m.arange(6), 4)))]),
    "unbind": lambda m: m.unbind(m.eye(2))[1],
}


def one_hot(m):
    return m.nn.functional.one_hot  # and in mytorch itself


@needs_torch
@pytest.mark.parametrize("name", MADE)
def test_it_is_torchs(name):
    import torch

    ours, theirs = MADE[name](mytorch), MADE[name](torch)
    assert str(theirs.dtype).removeprefix("torch.") == str(ours.dtype)
    assert ours.shape == tuple(theirs.shape)
    assert ours.tolist() == pytest.approx(theirs.tolist()) if ours.ndim < 2 else theirs.tolist()


RANDOM = {
    "rand": lambda: mytorch.rand(200, 100),
    "rand_like": lambda: mytorch.rand_like(np.zeros((200, 100))),
    "randn": lambda: mytorch.randn((200, 100)),
    "randn_like": lambda: mytorch.randn_like(np.zeros((200, 100))),
    "randint": lambda: mytorch.randint(3, 7, (200, 100)),
    "randint below": lambda: mytorch.randint(7, (200, 100)),
    "randperm": lambda: mytorch.randperm(20_000),
}
# the mean, and the standard deviation
MOMENTS = {
    "rand": (0.5, 12**-0.5),
    "rand_like": (0.5, 12**-0.5),
    "randn": (0, 1),
    "randn_like": (0, 1),
    "randint": (4.5, math.sqrt(15 / 12)),
    "randint below": (3, 2),
    "randperm": (9_999.5, 20_000 * 12**-0.5),
}


@pytest.mark.parametrize("name", RANDOM)
def test_random_numbers_are_distributed_as_they_say_and_come_from_the_one_generator(name):
    manual_seed(3)
    state = get_rng_state()
    made = RANDOM[name]().numpy()
    mean, spread = MOMENTS[name]
    assert made.size == 20_000
    assert made.mean() == pytest.approx(mean, abs=5 * spread / math.sqrt(made.size))
    assert made.std() == pytest.approx(spread, rel=0.03)
    set_rng_state(state)
    np.testing.assert_array_equal(RANDOM[name]().numpy(), made)
    assert not np.array_equal(RANDOM[name]().numpy(), made)


def test_random_numbers_stay_in_their_range_and_have_their_type():
    manual_seed(0)
    drawn = mytorch.randint(3, 7, (1000,))
    assert (drawn.dtype, sorted(set(drawn.tolist()))) == (np.int64, [3, 4, 5, 6])
    assert sorted(mytorch.randperm(50).tolist()) == list(range(50))
    uniform = mytorch.rand(1000)
    assert uniform.dtype == np.float32
    assert 0 <= uniform.min().item() < uniform.max().item() < 1
    assert mytorch.randn(2, dtype=np.float64).dtype == np.float64


def test_what_is_made_may_want_a_gradient_and_shares_memory_only_where_it_says():
    for make in (mytorch.zeros, mytorch.ones, mytorch.empty, mytorch.rand, mytorch.randn):
        assert make(2, requires_grad=True).requires_grad
    array = np.ones(3)
    assert mytorch.from_numpy(array).data is array
    assert not np.shares_memory(mytorch.tensor(array).data, array)
    assert mytorch.tensor([1.0], requires_grad=True).is_leaf
    assert mytorch.empty(2, 3).shape == (2, 3)


@pytest.mark.parametrize(
    ("attempt", "error", "sentence"),
    [
        (lambda: mytorch.zeros(2, -1), ValueError, r"zeros: sizes must be at least 0, got \(2, -1"),
        (lambda: mytorch.ones(2.0), TypeError, "ones: sizes must be whole numbers"),
        (lambda: mytorch.randn("3"), TypeError, "randn: sizes must be whole numbers"),
        (lambda: mytorch.randn(2, dtype=int), TypeError, "randn: dtype must be float32 or float64"),
        (lambda: mytorch.zeros(2, dtype=complex), TypeError, "Tensor: data must be float32"),
        (lambda: mytorch.arange(1, 5, -1), ValueError, "arange: step must lead from 1 to 5, got"),
        (lambda: mytorch.arange(1, 5, 0), ValueError, "arange: step must lead from 1 to 5, got 0"),
        (lambda: mytorch.linspace(0, 1, -2), ValueError, "linspace: sizes must be at least 0"),
        (lambda: mytorch.randint(5, 5, (2,)), ValueError, "randint: high must be above low"),
        (lambda: mytorch.randint(5, 8, 2), TypeError, "randint: size must be a tuple"),
        (lambda: mytorch.from_numpy([1]), TypeError, "from_numpy: there must be an array, got li"),
        (lambda: mytorch.one_hot([0.5]), TypeError, "one_hot: class numbers must be integers"),
        (lambda: mytorch.one_hot([3], 3), IndexError, "one_hot: numbers must lie in 0 to 2, got 3"),
        (lambda: mytorch.cat([]), ValueError, "cat: there must be at least one tensor"),
        (lambda: mytorch.cat(Tensor([1])), TypeError, "cat: tensors must be a list or a tuple"),
        (
            lambda: mytorch.cat([np.ones((2, 3)), np.ones((3, 2))]),
            ValueError,
            r"cat: shapes \(2, 3\) and \(3, 2\) do not fit behind each other on axis 0",
        ),
        (
            lambda: mytorch.stack([np.ones(2), np.ones(3)]),
            ValueError,
            r"stack: all tensors must have one shape, got \(2,\) and \(3,\)",
        ),
        (lambda: Tensor([1, 2]).split(0), ValueError, "split: the size of a part must be at least"),
        (lambda: Tensor([1, 2]).split([1]), ValueError, r"split: the sizes must add up to 2, got"),
        (lambda: Tensor([1, 2]).chunk(0), ValueError, "chunk: chunks must be a whole number of at"),
        (lambda: Tensor(1).unbind(), ValueError, "unbind: a tensor of one number has no axis"),
        (
            lambda: Tensor([1, 2]).unsqueeze(3),
            ValueError,
            r"unsqueeze: shape \(2,\) has no place 3",
        ),
        (lambda: Tensor([1, 2]).permute(0, 0), ValueError, "has no axis|name each of the 1 axes"),
        (lambda: Tensor([[1, 2]]).permute(0, 0), ValueError, "permute: dims must name each of the"),
        (lambda: Tensor([1, 2]).expand(3), ValueError, r"expand: shape \(2,\) does not fit \(3,\)"),
        (lambda: Tensor([[1]]).repeat(2), ValueError, "repeat: there must be a count of at least"),
        (lambda: Tensor([1]).view(2, 2.0), TypeError, "reshape: sizes must be whole numbers"),
        (lambda: Tensor([1]).tril(), ValueError, "tril: the tensor must have two axes or more"),
        (lambda: Tensor([1.0]).clamp(), ValueError, "clamp: min or max must be given, got neither"),
        (lambda: Tensor([1.0]).clamp([0, 1]), TypeError, r"clamp: min must be a number, got shape"),
        (lambda: Tensor([1.0]).norm(0), ValueError, "norm: p must be a number above 0, inf or"),
        (lambda: Tensor([1.0]).max(1), ValueError, r"max: shape \(1,\) has no axis 1"),
        (lambda: Tensor([]).max(), ValueError, r"amax: there is nothing to find in shape \(0,\)"),
        (lambda: Tensor([]).argmin(), ValueError, "argmin: there is nothing to find in shape"),
        (lambda: Tensor([1.0]).sum((0, 0)), ValueError, "sum: dim must name an axis once, got"),
        (lambda: Tensor([1.0]).sum("0"), TypeError, "sum: dim must be the number of an axis, got"),
        (lambda: Tensor([1.0]).topk(2), ValueError, "topk: k must be a whole number from 0 to 1"),
        (lambda: Tensor([1]).gather(0, [1]), IndexError, "gather: numbers must lie in 0 to 0, got"),
        (lambda: Tensor([1]).gather(0, [0.5]), TypeError, "gather: index must be integers"),
        (lambda: Tensor([1]).gather(0, [[0]]), ValueError, r"gather: index \(1, 1\) must have as"),
        (lambda: mytorch.where([1, 0], 1, 2), TypeError, "where: condition must be bools, got int"),
    ],
)
def test_what_cannot_be_made_is_said_in_a_sentence(attempt, error, sentence):
    with pytest.raises(error, match=sentence):
        attempt()


RECORDED = {
    "tensor": lambda y: mytorch.tensor(y),
    "tensor of a list": lambda y: mytorch.tensor([y[0], y[1]]),
    "full": lambda y: mytorch.full((2,), y.sum()),
    "full_like": lambda y: mytorch.full_like(y, y.sum()),
    "arange": lambda y: mytorch.arange(y.sum()),
    "linspace": lambda y: mytorch.linspace(0, y.sum(), 3),
    "randint": lambda y: mytorch.randint(0, y.sum(), (2,)),
}


@pytest.mark.parametrize("name", RECORDED)
def test_nothing_is_made_of_a_result_that_it_would_cut_off(name):
    y = mytorch.ones(2, requires_grad=True) * 2
    with pytest.raises(
        RuntimeError, match=r"a tensor that wants a gradient.*NumPy keeps no record"
    ):
        RECORDED[name](y)
    RECORDED[name](y.detach())


PLACED = {
    **{name: (3,) for name in ("zeros", "ones", "empty", "eye", "arange", "rand", "randn")},
    **{name: ([1.0],) for name in ("tensor", "zeros_like", "ones_like", "rand_like", "randn_like")},
    "full": (2, 1.0),
    "full_like": ([1.0], 2),
    "linspace": (0, 1, 3),
    "randint": (0, 3, (2,)),
    "randperm": (3,),
}


@pytest.mark.parametrize("name", PLACED)
def test_there_is_no_device_but_the_cpu(name):
    make = getattr(mytorch, name)
    assert make(*PLACED[name], device="cpu").device == "cpu"
    with pytest.raises(ValueError, match=r"^\w+: mytorch computes with NumPy, .* got 'cuda'; for"):
        make(*PLACED[name], device="cuda")


def test_a_leaf_may_be_copied():
    assert mytorch.tensor(mytorch.ones(2, requires_grad=True)).tolist() == [1, 1]


def test_optim_and_checkpoint_are_there_when_they_are_asked_for():
    assert mytorch.optim.SGD.__name__ == "SGD"
    assert callable(mytorch.checkpoint.save)
    assert {"optim", "checkpoint", "Tensor"} <= set(dir(mytorch))
    with pytest.raises(AttributeError, match="has no attribute 'optimm'"):
        _ = mytorch.optimm
