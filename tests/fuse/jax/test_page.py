"""The examples on the page about JAX run, one after another."""

import re

import jax
import jax.numpy as jnp
import pytest

from tests.house.modules import ROOT

PAGE = ROOT / "docs" / "jax.md"


@pytest.fixture(scope="module")
def shown(doubles):
    """The names that a reader has in the end, in JAX's own single precision."""
    jax.config.update("jax_enable_x64", False)
    names: dict[str, object] = {}
    for block in re.findall(
        r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S
    ):
        exec(compile(block, PAGE.name, "exec"), names)
    yield names
    jax.config.update("jax_enable_x64", True)


def test_the_example_trains(shown):
    assert float(shown["loss"]({"w": jnp.zeros((2, 3)), "b": jnp.zeros(3)})) == 1
    assert float(shown["loss"](shown["trained"])) < 1e-3


def test_the_slope_that_is_shown_is_a_quotient_of_differences(shown):
    ends = [shown["after_five"](lr) for lr in (0.02, 0.0)]
    assert bool(jnp.isfinite(shown["slope"]))
    assert float(shown["slope"]) == pytest.approx(float(ends[0] - ends[1]) / 0.02, rel=0.2)
