"""Triton's interpreter runs the kernels here, on the memory of this machine.

It must be asked for before triton is imported: by a kernel's decorator it is decided.
"""

import os

import numpy as np
import pytest

os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(autouse=True)
def quiet():
    """The interpreter is NumPy, which says what no device does: that something is divided by 0."""
    with np.errstate(all="ignore"):
        yield


@pytest.fixture
def memory():
    from tests.fuse.gpu.host import HostMemory

    return HostMemory()


@pytest.fixture
def engine(memory):
    """The engine, with pieces so short that small tensors have several."""
    from thalweg.fuse.engines import host
    from thalweg.fuse.gpu.engine import GpuEngine

    return GpuEngine(memory, host(), block=64)
