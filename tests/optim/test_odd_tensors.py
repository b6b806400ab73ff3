"""Tensors that no kernel can reach: right by the plain run, or refused, and never wrong."""

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import (
    APART,
    COUNTING,
    OURS,
    TWINS,
    arrays_of,
    assert_close,
    assert_same,
    give_gradients,
    numbers,
    ours,
    torchs,
    walk,
    weights,
)
from thalweg.chain import chain
from thalweg.rules import SGD
from thalweg.stages import Centralize, ClipNorm


def test_a_refused_first_step_is_still_the_first():
    """The first momentum is the gradient itself, also where an attempt has failed before."""
    mine, theirs = weights([(4, 3), (4,)]), weights([(4, 3), (4,)])
    settings = {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}
    opt = optim.SGD(mine, **settings)
    give_gradients(mine, 0)
    size = mine[1].grad.untyped_storage().nbytes()
    mine[1].grad.untyped_storage().resize_(0)
    with pytest.raises(RuntimeError, match="freed"):
        opt.step()
    mine[1].grad.untyped_storage().resize_(size)
    walk(opt, 3)
    walk(torch.optim.SGD(theirs, **settings), 3)
    assert_close(mine, theirs)


class Tagged(torch.Tensor):
    """A subclass that only carries a name, as labels and units do."""


class Wrapped(torch.Tensor):
    """A subclass around another tensor, with no memory of its own, as DTensor is."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), dtype=inner.dtype, device=inner.device
        )

    def __init__(self, inner):
        self.inner = inner

    def __repr__(self):
        return f"Wrapped({self.inner})"

    @classmethod
    def __torch_dispatch__(cls, func, kinds, args=(), kwargs=None):
        from torch.utils._pytree import tree_map_only

        args, kwargs = tree_map_only(cls, lambda t: t.inner, (args, kwargs or {}))
        result = func(*args, **kwargs)
        if func.overloadpacket.__name__.endswith("_"):  # in place: the inner tensor has changed
            return result
        return tree_map_only(torch.Tensor, lambda t: t if isinstance(t, cls) else cls(t), result)


def tagged(t):
    return t.as_subclass(Tagged)


@pytest.mark.parametrize("kind", [tagged, Wrapped])
@pytest.mark.parametrize("name", OURS)
def test_a_tensor_subclass_is_stepped_right(name, kind):
    plain = weights([(4, 3)])
    other = ours(name, plain)
    p = kind(numbers((4, 3), 0)).requires_grad_()
    opt = ours(name, [p])
    for t in range(6):
        give_gradients(plain, t)
        p.grad = kind(plain[0].grad.clone())
        opt.step()
        other.step()
    have = p.inner if kind is Wrapped else p.as_subclass(torch.Tensor)
    assert_close([have], plain)


@pytest.mark.parametrize("name", OURS)
def test_states_of_a_subclass_are_of_that_subclass(name):
    """As DTensor and its checkpoints need them."""
    p = Wrapped(numbers((4, 3), 0)).requires_grad_()
    opt = ours(name, [p])
    p.grad = Wrapped(numbers((4, 3), 1))
    opt.step()
    assert {type(value) for value in arrays_of(opt, p).values()} == {Wrapped}


@pytest.mark.parametrize("name", OURS)
def test_a_parameter_on_another_device_is_counted_and_keeps_its_device(name):
    p = Parameter(torch.ones(3, 2, device="meta"))
    opt = ours(name, [p])
    for _ in range(2):
        p.grad = torch.ones_like(p)
        opt.step()
    if name in COUNTING:
        assert opt.state[p]["step"] == 2.0
    assert {value.device.type for value in arrays_of(opt, p).values()} == {"meta"}


@pytest.mark.parametrize("name", APART)
def test_parameters_on_two_devices_go_together(name):
    params, plain = weights([(4, 3)]), weights([(4, 3)])
    elsewhere = Parameter(torch.ones(3, device="meta"))
    opt = ours(name, [elsewhere, *params])
    for t in range(5):
        give_gradients(params, t)
        elsewhere.grad = torch.ones_like(elsewhere)
        opt.step()
    walk(ours(name, plain), 5)
    assert_same(params, plain)


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128], ids=str)
@pytest.mark.parametrize("name", TWINS)
def test_complex_parameters_move_as_in_torch(name, dtype):
    mine, theirs = weights(dtype=dtype), weights(dtype=dtype)
    walk(ours(name, mine), 7)
    walk(torchs(name, theirs), 7)
    assert_close(mine, theirs)


def test_ranger_moves_the_parts_of_a_complex_parameter_as_two_real_ones():
    mine = weights([(4, 3), (4,)], torch.complex128)
    parts = [Parameter(part.clone()) for p in mine for part in (p.detach().real, p.detach().imag)]
    opt, other = ours("Ranger", mine), ours("Ranger", parts)
    for t in range(9):
        give_gradients(mine, t)
        grads = [part for p in mine for part in (p.grad.real, p.grad.imag)]
        for part, grad in zip(parts, grads, strict=True):
            part.grad = grad.clone()
        opt.step()
        other.step()
    assert_close(
        [torch.view_as_real(p.detach()) for p in mine],
        [
            torch.stack([re.detach(), im.detach()], -1)
            for re, im in zip(parts[::2], parts[1::2], strict=True)
        ],
    )


@pytest.mark.parametrize("name", OURS)
def test_conjugated_gradients_are_read_conjugated(name):
    """torch's own Adam refuses them."""
    lazy, plain = weights(dtype=torch.complex128), weights(dtype=torch.complex128)
    opt, other = ours(name, lazy), ours(name, plain)
    for t in range(6):
        give_gradients(plain, t)
        for p, q in zip(lazy, plain, strict=True):
            p.grad = q.grad.conj().resolve_conj().conj()
            assert p.grad.is_conj()
        opt.step()
        other.step()
        assert all(p.grad.is_conj() for p in lazy)
    assert_same(lazy, plain)


@pytest.mark.parametrize("name", OURS)
def test_negated_gradients_are_read_negated(name):
    lazy, plain = weights(), weights()
    opt, other = ours(name, lazy), ours(name, plain)
    for t in range(6):
        give_gradients(plain, t)
        for p, q in zip(lazy, plain, strict=True):
            p.grad = torch.complex(torch.zeros_like(q.grad), -q.grad).conj().imag
            assert p.grad.is_neg()
        opt.step()
        other.step()
    assert_same(lazy, plain)


@pytest.mark.parametrize("name", OURS)
def test_plain_gradients_after_negated_ones_are_read_plain(name):
    """A gradient like the last one in type, shape, strides and all but its neg bit."""
    mixed, plain = weights(), weights()
    opt, other = ours(name, mixed), ours(name, plain)
    for t in range(6):
        give_gradients(plain, t)
        for p, q in zip(mixed, plain, strict=True):
            p.grad = torch.empty_like(q.grad).copy_(q.grad)
            if t % 2:
                negated = torch.zeros(p.shape, dtype=torch.complex128)
                negated.imag.copy_(-q.grad)
                p.grad = negated.conj().imag
        opt.step()
        other.step()
    assert_close(mixed, plain)


SPECIAL = [0.0, -0.0, 1e-300, 1e300, float("inf"), float("-inf"), float("nan"), 5e-324, 1.0]


@pytest.mark.usefixtures("numbers_in_double")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", TWINS)
def test_not_a_number_and_infinity_spread_as_in_torch(name, dtype):
    """As gradients and as weights, and for as long as they do there."""
    size, ordinary = len(SPECIAL), 3
    results = []
    for make in (ours, torchs):
        p = Parameter(torch.ones(2 * size, dtype=dtype))
        p.data[size:] = torch.tensor(SPECIAL, dtype=dtype)
        opt = make(name, [p])
        trail = []
        for t in range(8):
            p.grad = numbers(p.shape, t, dtype)
            if t == ordinary:
                p.grad[:size] = torch.tensor(SPECIAL, dtype=dtype)
            opt.step()
            trail.append(p.detach().clone())
        results.append(trail)
    for have, want in zip(*results, strict=True):
        assert_close([have.nan_to_num(7.0)], [want.nan_to_num(7.0)])
        assert torch.equal(have.isnan(), want.isnan())


@pytest.mark.parametrize("name", OURS)
def test_an_integer_parameter_without_a_gradient_is_left_alone(name):
    params = [Parameter(torch.ones(2)), torch.arange(3)]
    opt = ours(name, params)
    params[0].grad = torch.ones(2)
    opt.step()
    assert params[1].tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", [torch.int64, torch.bool, torch.uint8], ids=str)
@pytest.mark.parametrize("name", OURS)
def test_an_integer_parameter_with_a_gradient_is_refused(name, kind):
    p = torch.ones(3, dtype=kind)
    p.grad = torch.ones(3, dtype=kind)
    with pytest.raises(TypeError, match=rf"^{name}: a parameter must be floating point"):
        ours(name, [p]).step()
    assert torch.equal(p, torch.ones(3, dtype=kind))


@pytest.mark.parametrize("name", OURS)
def test_a_parameter_of_8_bit_floats_is_refused_in_a_sentence(name):
    p = torch.ones(3).to(torch.float8_e4m3fn)
    p.grad = torch.ones(3).to(torch.float8_e4m3fn)
    with pytest.raises(TypeError, match=rf"^{name}: a parameter must be .*float8_e4m3fn"):
        ours(name, [p]).step()
    assert torch.equal(p.float(), torch.ones(3))


@pytest.mark.parametrize("name", COUNTING)
def test_an_empty_parameter_counts_its_steps_by_either_way(name):
    plain, odd = Parameter(torch.ones(0, 3)), tagged(torch.ones(0, 3)).requires_grad_()
    opt = ours(name, [plain, odd])
    for _ in range(3):
        plain.grad, odd.grad = torch.ones(0, 3), tagged(torch.ones(0, 3))
        opt.step()
    assert opt.state[plain]["step"] == 3.0
    assert opt.state[odd]["step"] == 3.0


def test_a_clipped_norm_covers_parameters_by_either_way():
    """One parameter has gaps and takes the plain run; the norm is still one for all."""
    Clipped = optim.optimizer(chain("Clipped", ClipNorm, SGD, lr=0.1, max_norm=0.5))
    gapped = Parameter(numbers((4, 8), 9)[:, ::2])
    params = [*weights([(4, 3), (5,)]), gapped]
    plain = [Parameter(p.detach().clone()) for p in params]
    opt, other = Clipped(params), torch.optim.SGD(plain, lr=0.1)
    for t in range(4):
        give_gradients(params, t)
        for p, q in zip(params, plain, strict=True):
            q.grad = p.grad.clone()
        torch.nn.utils.clip_grad_norm_(plain, 0.5)
        opt.step()
        other.step()
    assert_close(params, plain)


def test_a_clipped_norm_covers_both_parts_of_a_complex_parameter():
    Clipped = optim.optimizer(chain("Clipped", ClipNorm, SGD, lr=0.1, max_norm=0.5))
    Both = optim.optimizer(
        chain("Both", Centralize, ClipNorm, SGD, lr=0.1, max_norm=0.5, use=False)
    )
    results = []
    for make in (Clipped, Both):  # by a kernel, and by the plain run
        params = [Parameter(numbers((4, 3), 1, torch.complex128)), *weights([(5,)])]
        walk(make(params), 3)
        results.append(params)
    plain = [Parameter(numbers((4, 3), 1, torch.complex128)), *weights([(5,)])]
    opt = torch.optim.SGD(plain, lr=0.1)
    for t in range(3):
        give_gradients(plain, t)
        torch.nn.utils.clip_grad_norm_(plain, 0.5)
        opt.step()
    for params in results:
        assert_close(params, plain)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad", "Ranger"])
def test_fused_parameters_without_data_are_refused_as_torch_does(name):
    """A forgotten `to_empty()` would go unseen: nothing moves there."""
    p = Parameter(torch.ones(2, device="meta"))
    p.grad = torch.ones(2, device="meta")
    opt = ours(name, [p], fused=True)
    with pytest.raises(RuntimeError, match="`fused=True` requires all the params to be floating"):
        opt.step()
    ours(name, [p]).step()  # as in torch, where nobody asked for it
