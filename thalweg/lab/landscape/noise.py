"""Noise that Python and a page draw alike: the same numbers from the same seed."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["normal"]

_WORD = 0xFFFFFFFF


def normal(seed: int, steps: int) -> np.ndarray:
    """Standard normal numbers, two for each step: mulberry32, then Box and Muller's pairs."""
    state, found = seed & _WORD, np.empty((steps, 2))
    for row in found:
        state, a = _uniform(state)
        state, b = _uniform(state)
        length = math.sqrt(-2 * math.log(1 - a))
        row[:] = length * math.cos(2 * math.pi * b), length * math.sin(2 * math.pi * b)
    return found


def _uniform(state: int) -> tuple[int, float]:
    """The next state, and a number from 0 up to 1."""
    state = (state + 0x6D2B79F5) & _WORD
    mixed = ((state ^ (state >> 15)) * (state | 1)) & _WORD
    mixed ^= (mixed + ((mixed ^ (mixed >> 7)) * (mixed | 61))) & _WORD
    return state, ((mixed ^ (mixed >> 14)) & _WORD) / 2**32
