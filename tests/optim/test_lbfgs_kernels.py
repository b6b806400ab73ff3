"""The two passes of L-BFGS over its history are the plain formulas."""

import numpy as np
import pytest
import torch

from tests.optim.runs import numbers
from tests.optim.valleys import PROBLEMS, WOLFE, Course, assert_agree, course, several, some
from thalweg.fuse.cpu import products
from thalweg.optim.lbfgs import LBFGS, vectors
from thalweg.optim.lbfgs.vectors import TensorVectors

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = [
    1,
    7,
    products.TILE - 1,
    products.TILE,
    products.TILE + 1,
    3 * products.TILE + 5,
]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str
)
def test_the_kernels_are_the_plain_formulas(dtype, size, threads):
    rows = [numbers((size,), seed, dtype) for seed in range(6)]
    u, v = numbers((size,), 10, dtype), numbers((size,), 11, dtype)
    torch.set_num_threads(threads)
    products = TensorVectors().inner(rows, u, v)
    coefficients = np.array([1.0, -2.0, 0.5, 3.0, -1.5, 0.25])
    combined = TensorVectors().combined(-0.75, u, coefficients, rows)
    wide = torch.stack(rows).double()
    assert products.dtype == np.float64
    torch.testing.assert_close(
        torch.from_numpy(products),
        wide @ torch.stack((u, v)).double().T,
        rtol=1e-10,
        atol=1e-10 * size**0.5,
    )
    want = torch.from_numpy(coefficients) @ wide - 0.75 * u.double()
    assert combined.dtype == dtype
    # rounded once per four rows, to a number of up to about 15
    torch.testing.assert_close(combined.double(), want, rtol=0, atol=32 * torch.finfo(dtype).eps)


def test_where_no_kernel_can_go_plain_torch_does_the_same(monkeypatch):
    kernels, plain = some(), some()
    run = Course(LBFGS, kernels, several, **WOLFE).walk(3)
    monkeypatch.setattr(vectors, "_is_reachable", lambda vector: False)
    other = Course(LBFGS, plain, several, **WOLFE).walk(3)
    assert_agree(kernels, plain, rtol=1e-9)
    assert len(run.losses) == len(other.losses)


def two_loops(s, y, g, gamma):
    """Algorithm 7.4 as it stands in the book."""
    q, alpha = -g, [None] * len(s)
    for i in reversed(range(len(s))):
        alpha[i] = np.dot(s[i], q) / np.dot(s[i], y[i])
        q = q - alpha[i] * y[i]
    r = gamma * q
    for i in range(len(s)):
        r = r + (alpha[i] - np.dot(y[i], r) / np.dot(s[i], y[i])) * s[i]
    return r


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_direction_is_the_two_loops_in_higher_precision(problem, dtype):
    """Inner products alone lose nothing, as long as they are summed in double."""
    run = course(LBFGS, problem, dtype, history_size=30, **WOLFE).walk(6)
    state = run.state
    run.opt.param_groups[0]["max_iter"] = 1
    run.walk(1)
    s, y = (
        [v.numpy().astype(np.longdouble) for v in state[key]] for key in ("old_stps", "old_dirs")
    )
    g = state["prev_flat_grad"].numpy().astype(np.longdouble)
    want = two_loops(s, y, g, np.longdouble(state["H_diag"].item()))
    error = np.linalg.norm(state["d"].numpy() - want) / np.linalg.norm(want)
    assert len(s) > 10
    assert error < (1e-6 if dtype == torch.float32 else 1e-13)
