"""The one source of random numbers behind initial weights, dropout and shuffling."""

from typing import Any

import numpy as np

__all__ = ["generator", "get_rng_state", "manual_seed", "set_rng_state"]

_generator = np.random.default_rng()


def generator() -> np.random.Generator:
    """The generator that everything in mytorch draws from."""
    return _generator


def manual_seed(seed: int) -> None:
    """Start the random numbers anew: the same seed gives the same run."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"manual_seed: seed must be a whole number of at least 0, got {seed!r}")
    _generator.bit_generator.state = np.random.default_rng(seed).bit_generator.state


def get_rng_state() -> dict[str, Any]:
    """Where the random numbers stand, in plain numbers and words: JSON can hold it."""
    return dict(_generator.bit_generator.state)


def set_rng_state(state: dict[str, Any]) -> None:
    """Go on from where `get_rng_state` was called."""
    try:
        _generator.bit_generator.state = state
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"set_rng_state: state must be what get_rng_state gave, got {state!r}"
        ) from error
