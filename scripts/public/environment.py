"""A pole on a cart, several at once: stay upright, a reward of one for every moment."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Poles"]

Numbers = NDArray[np.float64]


class Poles:
    """Each pole that falls, or stands for `longest` moments, is set up anew by itself."""

    def __init__(self, count: int, seed: int, longest: int = 200) -> None:
        self._chance, self._longest = np.random.default_rng(seed), longest
        self._state = self._fresh(count)
        self._age = np.zeros(count, int)

    def _fresh(self, count: int) -> Numbers:
        return self._chance.uniform(-0.05, 0.05, (count, 4))

    def observed(self) -> Numbers:
        """Place and speed of each cart, angle and speed of each pole."""
        return self._state.copy()

    def step(self, actions: NDArray[np.int64]) -> tuple[Numbers, Numbers, Numbers]:
        """Push left (0) or right (1): what is seen then, the rewards, which were set up anew."""
        x, speed, angle, turning = self._state.T
        sine, cosine = np.sin(angle), np.cos(angle)
        push = np.where(actions == 1, 10.0, -10.0)
        shared = (push + 0.05 * turning**2 * sine) / 1.1
        fall = (9.8 * sine - cosine * shared) / (0.5 * (4 / 3 - 0.1 * cosine**2 / 1.1))
        gain = shared - 0.05 * fall * cosine / 1.1
        moved = np.stack([speed, gain, turning, fall])
        self._state = self._state + 0.02 * moved.T
        self._age += 1
        x, angle = self._state[:, 0], self._state[:, 2]
        done = (abs(x) > 2.4) | (abs(angle) > 0.21) | (self._age >= self._longest)
        self._state[done] = self._fresh(int(done.sum()))
        self._age[done] = 0
        return self.observed(), np.ones(len(done)), done.astype(float)
