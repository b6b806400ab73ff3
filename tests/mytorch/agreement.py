"""What is asked of every op and layer: the gradients of finite differences, and torch's numbers."""

import importlib.util
import math

import numpy as np
import pytest

from thalweg.mytorch import Tensor

HAS_TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed")

# Central differences of double numbers of size 1: h^2 is left out, and eps / h of it is noise.
H = 1e-5
DIFFERENCES = 1e-8

TORCH = 1e-10


def forward_and_back(function, *arrays):
    """The value, the gradient given to it, and the gradients of the arguments."""
    tensors = [Tensor(array, requires_grad=array.dtype.kind == "f") for array in arrays]
    value = function(*tensors)
    given = np.random.default_rng(9).normal(size=value.shape).astype(value.dtype)
    value.backward(given)
    return value.data, given, [tensor.grad for tensor in tensors if tensor.requires_grad]


def assert_differences_agree(function, *given_arrays) -> None:
    """Gradients in float64 are those of central differences."""
    arrays = [np.array(array) for array in given_arrays]
    _, given, gradients = forward_and_back(function, *arrays)
    floats = [array for array in arrays if array.dtype.kind == "f"]
    for array, gradient in zip(floats, gradients, strict=True):
        assert gradient.shape == array.shape
        for place in np.ndindex(array.shape):
            before = array[place]
            ends = []
            for step in (H, -H):
                array[place] = before + step
                ends.append(np.sum(given * function(*map(Tensor, arrays)).data))
            array[place] = before
            slope = (ends[0] - ends[1]) / (2 * H)
            assert gradient[place] == pytest.approx(slope, rel=DIFFERENCES, abs=DIFFERENCES), place


def assert_torch_agrees(ours, torchs, *arrays) -> None:
    """Values and gradients in float64 are torch's."""
    import torch

    value, given, gradients = forward_and_back(ours, *arrays)
    tensors = [torch.from_numpy(np.array(a)).requires_grad_(a.dtype.kind == "f") for a in arrays]
    want = torchs(*tensors)
    assert value.shape == tuple(want.shape)
    assert_close(value, want.detach().numpy())
    want.backward(torch.from_numpy(np.array(given)))
    wanted = [tensor.grad.numpy() for tensor in tensors if tensor.requires_grad]
    for gradient, one in zip(gradients, wanted, strict=True):
        assert_close(gradient, one)


def assert_close(found, wanted) -> None:
    np.testing.assert_allclose(found, wanted, rtol=TORCH, atol=TORCH)


def apart(*shape: int, seed: int = 0) -> np.ndarray:
    """Numbers from -2 to 2 in random order, none so close to another, or to zero, that a step of
    size H changes which is larger."""
    size = math.prod(shape)
    order = np.random.default_rng([seed, *shape]).permutation(size)
    return ((order - size // 2 + 0.25) * (4 / max(size, 4))).reshape(shape)
