"""Doubles, as the oracle has them."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def doubles():
    import jax

    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)
