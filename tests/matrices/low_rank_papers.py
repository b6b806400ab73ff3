"""The lines of the papers of rules that step on a projection of the gradient, in NumPy alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

Array = np.ndarray


def galore(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-2,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    rank: int = 128,
    update_proj_gap: int = 200,
    scale: float = 0.25,
) -> Iterator[Array]:
    b1, b2 = betas
    m = v = 0.0
    rank = min(rank, *p.shape)
    is_right = p.shape[0] >= p.shape[1]
    for t, g in enumerate(gradients, 1):
        if (t - 1) % update_proj_gap == 0:
            left, _, right = np.linalg.svd(g, full_matrices=False)
            basis = right[:rank].T if is_right else left[:, :rank]
            basis = basis * np.sign((basis**3).sum(0))
        low = g @ basis if is_right else basis.T @ g
        m = b1 * m + (1 - b1) * low
        v = b2 * v + (1 - b2) * low**2
        step = m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps)
        back = step @ basis.T if is_right else basis @ step
        p = (1 - lr * weight_decay) * p - lr * scale * back
        yield p


def apollo(
    p: Array,
    gradients: Iterable[Array],
    normal: Callable[[int], Array],
    lr: float = 1e-2,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    rank: int = 128,
    update_proj_gap: int = 200,
    scale: float = 1.0,
    scale_type: str = "channel",
) -> Iterator[Array]:
    """`normal(t)` are the random numbers of step t, of the shape of p."""
    b1, b2 = betas
    m = v = 0.0
    before = None
    is_right = p.shape[0] >= p.shape[1]
    taken = min(rank, *p.shape)
    for t, g in enumerate(gradients, 1):
        if (t - 1) % update_proj_gap == 0:
            drawn = normal(t) if is_right else normal(t).T
            basis = drawn[:taken].T / np.sqrt(rank)
        low = g @ basis if is_right else basis.T @ g
        m = b1 * m + (1 - b1) * low
        v = b2 * v + (1 - b2) * low**2
        adapted = m / (np.sqrt(v) + eps)
        axis = None if scale_type == "tensor" else 1 if is_right else 0
        factor = np.linalg.norm(adapted, axis=axis) / (np.linalg.norm(low, axis=axis) + 1e-8)
        scaled = g * (factor[:, None] if axis == 1 else factor)
        length = np.linalg.norm(scaled)
        if before is not None:
            limiter = max(length / (before + 1e-8), 1.01) / 1.01
            scaled, length = scaled / limiter, length / limiter
        before = length
        size = lr * np.sqrt(1 - b2**t) / (1 - b1**t)
        p = (1 - lr * weight_decay) * p - size * np.sqrt(scale) * scaled
        yield p
