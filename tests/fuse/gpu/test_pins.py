"""What the extra gpu brings has its version written down."""

from importlib import metadata

import triton

from tests.house.test_packaging import closure, read


def test_it_is_the_pinned_triton_that_is_tried():
    assert f"triton=={triton.__version__}\n" in read("constraints.txt")
    assert metadata.version("triton") == triton.__version__


def test_triton_brings_nothing_else():
    assert closure(["triton"]) == {"triton"}
