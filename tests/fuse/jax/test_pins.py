"""What the extra jax brings has its versions written down."""

import re
from importlib import metadata

import jax
from packaging.utils import canonicalize_name

from tests.house.test_packaging import closure, read


def test_every_pin_of_jax_is_needed_and_whatever_jax_needs_has_one():
    ours, of_jax = (
        {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", part, re.M)}
        for part in read("constraints.txt").split("# Of the extra ")[:2]
    )
    needed = closure(["jax"])
    assert needed - ours == of_jax


def test_it_is_the_pinned_jax_that_is_tried():
    assert f"jax=={jax.__version__}\n" in read("constraints.txt")
    assert metadata.version("jax") == jax.__version__
