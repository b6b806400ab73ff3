"""Small matrix products run on one thread, and leave NumPy's threads as they found them."""

import subprocess
import sys
import threading

import numpy as np
import pytest

from thalweg.mytorch import Tensor, blas, nn
from thalweg.mytorch.blas import SMALL, product

THREADS = blas._threads()
needs_openblas = pytest.mark.skipif(THREADS is None, reason="NumPy's BLAS is not OpenBLAS")


@pytest.fixture
def seen(monkeypatch):
    """The number of threads in each product, of a NumPy that has three."""
    before = THREADS.ask()
    THREADS.use(3)
    counts = []

    def matmul(a, b, out=None, true=np.matmul):
        counts.append(THREADS.ask())
        return true(a, b, out=out)

    monkeypatch.setattr(blas.np, "matmul", matmul)
    yield counts
    THREADS.use(before)


def floats(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


@needs_openblas
@pytest.mark.parametrize(
    ("left", "right", "threads"),
    [
        ((128, 128), (128, 128), 1),
        ((64, 784), (784, 128), 1),
        ((512, 512), (512, SMALL // 512**2 - 1), 1),
        ((512, 512), (512, SMALL // 512**2), 3),
        ((8, 512, 512), (512, 64), 1),  # a stack is many small ones
        ((2, 512, 512), (2, 512, 128), 3),
    ],
    ids=str,
)
def test_a_product_has_as_many_threads_as_it_is_worth(seen, left, right, threads):
    found = product(floats(*left), floats(*right))
    assert found.flat[0] == left[-1]
    assert seen == [threads]
    assert THREADS.ask() == 3


@needs_openblas
def test_forward_and_backward_of_the_library_go_through_it(seen):
    model = nn.Sequential(nn.Conv2d(8, 16, 3), nn.Flatten(), nn.Linear(16 * 36, 64))
    x = Tensor(floats(64, 8, 8, 8), requires_grad=True)
    (model(x) @ Tensor(floats(64, 128))).sum().backward()
    assert len(seen) == 8  # three of each layer, two of the product whose right side wants none
    assert set(seen) == {1}
    assert THREADS.ask() == 3


@needs_openblas
def test_a_users_own_limit_stays(seen):
    for limit in (1, 2, 3):
        THREADS.use(limit)
        product(floats(128, 128), floats(128, 128))
        assert THREADS.ask() == limit


@needs_openblas
def test_a_product_that_fails_gives_the_threads_back(seen):
    with pytest.raises(ValueError, match="matmul"):
        product(floats(128, 128), floats(100, 128))
    assert THREADS.ask() == 3


@needs_openblas
def test_products_of_several_threads_leave_the_count_as_it_was(seen):
    a = floats(200, 200)

    def work():
        for _ in range(50):
            product(a, a)

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert THREADS.ask() == 3
    assert len(seen) == 300


def test_where_there_is_nothing_to_tell_it_multiplies_all_the_same(monkeypatch):
    monkeypatch.setattr(blas, "_threads", lambda: None)
    a = np.random.default_rng(0).normal(size=(100, 100))
    np.testing.assert_array_equal(product(a, a), a @ a)


def test_threadpoolctl_sees_the_same_count():
    control = pytest.importorskip("threadpoolctl")
    if THREADS is None:
        pytest.skip("NumPy's BLAS is not OpenBLAS")
    with control.threadpool_limits(1, user_api="blas"):
        assert THREADS.ask() == 1
        product(floats(128, 128), floats(128, 128))
        assert THREADS.ask() == 1


SCRIPT = """
import sys
from thalweg.mytorch import nn, optim, Tensor
import numpy as np
from thalweg.mytorch import blas
x = np.ones((64, 784), np.float32)
model = nn.Linear(784, 128)
model(x).sum().backward()
print("threadpoolctl" in sys.modules, blas._threads() is not None)
"""


@pytest.mark.slow
def test_it_needs_no_package_but_numpy():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == ["False", str(THREADS is not None)]
