"""What an optimizer keeps is exchanged with torch, both ways."""

import numpy as np
import pytest

from tests.mytorch.agreement import needs_torch
from tests.mytorch.steps import (
    EVERY,
    TWINS,
    assert_same,
    make,
    numbers,
    params_of,
    values,
    walk,
    weights,
)
from thalweg.mytorch import nn, optim


@pytest.fixture
def _in_double():
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def to_arrays(state):
    """What a user does to a state of torch's to be without torch."""
    return {
        "state": {
            i: {k: v.numpy() if hasattr(v, "numpy") else v for k, v in held.items()}
            for i, held in state["state"].items()
        },
        "param_groups": state["param_groups"],
    }


def to_tensors(state):
    import torch

    return {
        "state": {
            i: {k: torch.as_tensor(v) for k, v in held.items()}
            for i, held in state["state"].items()
        },
        "param_groups": state["param_groups"],
    }


def walk_torchs(opt, steps, start=0):
    import torch

    params = [p for group in opt.param_groups for p in group["params"]]
    for t in range(start, start + steps):
        for i, p in enumerate(params):
            p.grad = torch.from_numpy(numbers(p.shape, 1000 * (t + 1) + i))
        opt.step()


def torchs(name, arrays):
    import torch

    params = [torch.nn.Parameter(torch.from_numpy(np.array(a))) for a in arrays]
    return params, getattr(torch.optim, name)(params, **EVERY[name])


@needs_torch
@pytest.mark.usefixtures("_in_double")
@pytest.mark.parametrize("as_given", [to_arrays, dict], ids=["arrays", "tensors"])
@pytest.mark.parametrize("name", TWINS)
def test_a_run_of_torchs_goes_on_here(name, as_given):
    theirs, other = torchs(name, values(weights()))
    walk_torchs(other, 4)
    ours = [nn.Parameter(p.detach().numpy()) for p in theirs]
    opt = make(name, ours)
    opt.load_state_dict(as_given(other.state_dict()))
    walk(opt, 4, start=4)
    walk_torchs(other, 4, start=4)
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-11, atol=1e-12)


@needs_torch
@pytest.mark.usefixtures("_in_double")
@pytest.mark.parametrize("name", TWINS)
def test_a_run_from_here_goes_on_in_torch(name):
    ours = weights()
    opt = make(name, ours)
    walk(opt, 4)
    theirs, other = torchs(name, values(ours))
    other.load_state_dict(to_tensors(opt.state_dict()))
    walk(opt, 4, start=4)
    walk_torchs(other, 4, start=4)
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-11, atol=1e-12)


def test_a_buffer_that_old_versions_of_torch_leave_as_none_is_none():
    opt = optim.SGD(weights([(2,)]), momentum=0.9)
    opt.load_state_dict({**opt.state_dict(), "state": {0: {"momentum_buffer": None}}})
    assert opt.state_dict()["state"] == {}
    walk(opt)
    assert_same(opt.state_dict()["state"][0].values(), [params_of(opt)[0].grad])
