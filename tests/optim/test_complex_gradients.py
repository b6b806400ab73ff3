"""A gradient set by hand that is complex where its parameter is not, or the other way round."""

import pytest
import torch
from torch.nn import Parameter

import thalweg.optim as optim
from tests.optim.runs import EVERY, OURS, TWINS, assert_close, assert_same, ours, torchs


def parameter(dtype, grad, shape=(2, 2)):
    p = Parameter(torch.ones(shape, dtype=dtype))
    p.grad_dtype = None  # torch's leave to set a gradient of another type
    p.grad = torch.full(shape, grad)
    return p


def caught(opt):
    with pytest.raises((RuntimeError, NotImplementedError)) as found:
        opt.step(lambda: 1.0)
    return found.type, str(found.value)


@pytest.mark.parametrize("foreach", [True, False])
@pytest.mark.parametrize("name", TWINS)
def test_torch_refuses_a_complex_gradient_of_a_real_parameter_and_so_do_we(name, foreach):
    for make in (ours, torchs):
        p = parameter(torch.float32, 1 + 2j)
        opt = make(name, [p], foreach=foreach)
        kind, words = caught(opt)
        if make is ours:
            assert kind is RuntimeError
            assert words.startswith(
                f"{name}: a parameter of torch.float32 must have a real gradient"
            )
            assert p.tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize("name", [*EVERY, "Adafactor", "Muon", "LBFGS"])
def test_every_class_refuses_it_before_anything_moves(name):
    other, p = parameter(torch.float32, 1.0), parameter(torch.float32, 1 + 2j)
    opt = getattr(optim, name)([other, p])
    kept = {q: set(held) for q, held in opt.state.items()}
    kind, words = caught(opt)
    assert kind is RuntimeError
    assert words.startswith(f"{name}: a parameter of torch.float32 must have a real gradient, got")
    assert "can't be cast to the desired output type Float" in words
    assert other.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    if name not in ("Muon", "Adafactor", "LBFGS"):
        assert {q: set(held) for q, held in opt.state.items() if held} == {
            q: keys for q, keys in kept.items() if keys
        }


def test_it_is_refused_in_mid_run_too():
    p = parameter(torch.float32, 1.0)
    opt = optim.AdamW([p])
    opt.step()
    before = p.detach().clone()
    p.grad = torch.full((2, 2), 1j)
    caught(opt)
    assert_same([p], [before])
    assert opt.state[p]["step"] == 1


@pytest.mark.parametrize("name", OURS)
def test_a_real_gradient_of_a_complex_parameter_has_no_imaginary_part(name):
    """torch's SGD takes it so; its other classes raise."""
    p, q = parameter(torch.complex128, 0.5), parameter(torch.complex128, 0.5 + 0j)
    for each in (p, q):
        opt = ours(name, [each])
        opt.step()
        opt.step()
    assert_same([p], [q])


def test_sgd_takes_it_as_torchs():
    p, q = parameter(torch.complex128, 0.5), parameter(torch.complex128, 0.5)
    settings = {"momentum": 0, "nesterov": False}
    ours("SGD", [p], **settings).step()
    torchs("SGD", [q], **settings).step()
    assert_close([p], [q])


def test_lbfgs_takes_it_too():
    p, q = parameter(torch.complex128, 0.5), parameter(torch.complex128, 0.5 + 0j)
    for each in (p, q):
        optim.LBFGS([each], max_iter=1).step(lambda: 1.0)
    assert_same([p], [q])
