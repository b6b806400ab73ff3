"""Conv2d makes no copy that grows with the columns of a whole image."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from thalweg.mytorch import Tensor, nn
from thalweg.mytorch.nn import conv

MB = 1 << 20

# Batches of 64. All columns of the first at once would be 231 MB, of the last 75 MB.
LAYERS = {
    "3 x 3": (nn.Conv2d(32, 32, 3, padding=1), (64, 32, 56, 56)),
    "strided": (nn.Conv2d(3, 32, 7, stride=2, padding=3), (64, 3, 96, 96)),
    "sparse": (nn.Conv2d(64, 4, 1, stride=8), (64, 64, 64, 64)),
    "wide": (nn.Conv2d(32, 4, 2, dilation=40), (64, 32, 64, 64)),
    "deep": (nn.Conv2d(512, 8, 3, padding=1, groups=2), (64, 512, 8, 8)),
}


def peak(function) -> tuple[object, int]:
    """What a function gives, and the most bytes that it held beyond that."""
    tracemalloc.start()
    try:
        result = function()
        kept, most = tracemalloc.get_traced_memory()
        return result, most - kept
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", LAYERS)
def test_copies_stay_small_forward_and_back(name):
    layer, shape = LAYERS[name]
    x = Tensor(np.ones(shape, np.float32), requires_grad=True)
    vars(conv._scratch).clear()
    y, forward = peak(lambda: layer(x))
    gradient = np.ones_like(y.data)
    # what backward must make: the gradient of x, once as it is computed and once for x.grad
    needed = 2 * x.data.nbytes
    _, back = peak(lambda: y.backward(gradient))
    assert forward < 64 * MB
    assert back - needed < 64 * MB
    assert sum(memory.nbytes for memory in vars(conv._scratch).values()) < 64 * MB


def test_a_measurement_sees_numpys_memory():
    _, most = peak(lambda: np.ones(80 * MB, np.uint8).sum())
    assert most >= 80 * MB


@pytest.mark.parametrize("tile", [1, 100, 5_000, 1 << 30])
def test_tiles_of_any_size_give_the_same(tile, monkeypatch):
    layer = nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=1, groups=2).double()
    x = np.random.default_rng(0).normal(size=(5, 2, 7, 6))

    def everything():
        tensor = Tensor(x, requires_grad=True)
        layer.zero_grad()
        y = layer(tensor)
        (y * y).sum().backward()
        return [y.data, tensor.grad, layer.weight.grad, layer.bias.grad]

    wanted = everything()
    monkeypatch.setattr(conv, "TILE", tile)
    for found, one in zip(everything(), wanted, strict=True):
        np.testing.assert_allclose(found, one, rtol=1e-12, atol=1e-12)


def test_a_thread_has_columns_of_its_own():
    size = (100,), np.dtype(np.float32)
    mine = conv._scratch.take("columns", *size)
    assert np.shares_memory(mine, conv._scratch.take("columns", *size))
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(conv._scratch.take, "columns", *size).result()
    assert not np.shares_memory(mine, other)


def test_a_batch_of_none_and_of_one():
    layer = nn.Conv2d(2, 3, 3, padding=1)
    for images in (0, 1):
        x = Tensor(np.ones((images, 2, 4, 5), np.float32), requires_grad=True)
        y = layer(x)
        y.backward(np.ones_like(y.data))
        assert y.shape == (images, 3, 4, 5)
        assert x.grad.shape == x.shape
