"""What the extra jax brings has its versions written down."""

from importlib import metadata

import jax

from tests.house.pins import pinned
from tests.house.test_packaging import closure, read


def test_every_pin_of_jax_is_needed_and_whatever_jax_needs_has_one():
    ours, of_jax = pinned(), pinned("extra jax")
    assert closure(["jax"]) - ours == of_jax


def test_it_is_the_pinned_jax_that_is_tried():
    assert f"jax=={jax.__version__}\n" in read("constraints.txt")
    assert metadata.version("jax") == jax.__version__
