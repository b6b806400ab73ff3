"""The lines of the papers of rules on whole matrices, in NumPy alone, and of those that ask for
another gradient: apart from thalweg's language and engines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

Array = np.ndarray
Gradient = Callable[[list[Array]], list[Array]]


def soap(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 3e-3,
    betas: tuple[float, float] = (0.95, 0.95),
    shampoo_beta: float = 0.95,
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
    precondition_frequency: int = 10,
) -> Iterator[Array]:
    shape, p = p.shape, p.reshape(len(p), -1)
    b1, b2 = betas
    m = v = np.zeros_like(p)
    for k, g in enumerate(gradients):
        g = g.reshape(p.shape)
        p = (1 - lr * weight_decay) * p
        if k == 0:
            left, right = (1 - shampoo_beta) * g @ g.T, (1 - shampoo_beta) * g.T @ g
            one, other = np.linalg.eigh(left)[1][:, ::-1], np.linalg.eigh(right)[1][:, ::-1]
            yield p.reshape(shape)
            continue
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * (one.T @ g @ other) ** 2
        turned = (one.T @ m @ other) / (1 - b1**k) / (np.sqrt(v / (1 - b2**k)) + _eps(eps, b2, k))
        p = p - lr * one @ turned @ other.T
        left = shampoo_beta * left + (1 - shampoo_beta) * g @ g.T
        right = shampoo_beta * right + (1 - shampoo_beta) * g.T @ g
        if k % precondition_frequency == 0:
            one, other = np.linalg.qr(left @ one)[0], np.linalg.qr(right @ other)[0]
        yield p.reshape(shape)


def _eps(eps: float, b2: float, k: int) -> float:
    """The authors add eps to the root before it is corrected, as a step size of its own."""
    return eps / np.sqrt(1 - b2**k)


def shampoo(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 0.1,
    eps: float = 1e-4,
    precondition_frequency: int = 1,
) -> Iterator[Array]:
    shape, p = p.shape, p.reshape(len(p), -1)
    left, right = eps * np.eye(p.shape[0]), eps * np.eye(p.shape[1])
    for t, g in enumerate(gradients, 1):
        g = g.reshape(p.shape)
        left, right = left + g @ g.T, right + g.T @ g
        if t == 1 or t % precondition_frequency == 0:
            one, other = _inverse_fourth_root(left), _inverse_fourth_root(right)
        p = p - lr * one @ g @ other
        yield p.reshape(shape)


def _inverse_fourth_root(x: Array) -> Array:
    values, vectors = np.linalg.eigh(x)
    return (vectors * values**-0.25) @ vectors.T


def adam_mini(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> Iterator[Array]:
    b1, b2 = betas
    m, v = np.zeros_like(p), np.zeros(len(p))
    for t, g in enumerate(gradients, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * (g.reshape(len(p), -1) ** 2).mean(1)
        size = (np.sqrt(v / (1 - b2**t)) + eps).reshape(-1, *([1] * (p.ndim - 1)))
        p = (1 - lr * weight_decay) * p - lr * m / (1 - b1**t) / size
        yield p


def came(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 2e-4,
    eps: tuple[float, float] = (1e-30, 1e-16),
    clip_threshold: float = 1.0,
    betas: tuple[float, float, float] = (0.9, 0.999, 0.9999),
    weight_decay: float = 0.0,
) -> Iterator[Array]:
    is_vector = p.ndim < 2
    b1, b2, b3 = betas
    m = v = np.zeros_like(p)
    rows = columns = residual_rows = residual_columns = 0.0
    for g in gradients:
        squares = g**2 + eps[0]
        v = b2 * v + (1 - b2) * squares
        if not is_vector:
            rows = b2 * rows + (1 - b2) * squares.mean(-1, keepdims=True)
            columns = b2 * columns + (1 - b2) * squares.mean(-2, keepdims=True)
        x = g / np.sqrt(v if is_vector else rows / rows.mean(-2, keepdims=True) * columns)
        x = x / max(1, np.sqrt((x**2).mean()) / clip_threshold)
        m = b1 * m + (1 - b1) * x
        step = m
        if not is_vector:
            strays = (x - m) ** 2 + eps[1]
            residual_rows = b3 * residual_rows + (1 - b3) * strays.mean(-1, keepdims=True)
            residual_columns = b3 * residual_columns + (1 - b3) * strays.mean(-2, keepdims=True)
            trust = residual_rows / residual_rows.mean(-2, keepdims=True) * residual_columns
            step = m / np.sqrt(trust)
        p = (1 - lr * weight_decay) * p - lr * step
        yield p


def adafactor(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-2,
    beta2_decay: float = -0.8,
    eps: tuple[float | None, float] = (None, 1e-3),
    d: float = 1.0,
    weight_decay: float = 0.0,
) -> Iterator[Array]:
    least = np.finfo(np.float64).eps if eps[0] is None else eps[0]
    rows = columns = v = 0.0
    for t, g in enumerate(gradients, 1):
        w = t**beta2_decay
        if p.ndim > 1:
            rows = rows + w * ((g**2).mean(-1, keepdims=True) - rows)
            columns = columns + w * ((g**2).mean(-2, keepdims=True) - columns)
            v = rows * columns / np.maximum(rows.mean(-2, keepdims=True), least)
        else:
            v = v + w * (g**2 - v)
        u = g / np.maximum(np.sqrt(v), least)
        alpha = max(eps[1], np.sqrt((p**2).mean())) * min(lr, 1 / np.sqrt(t))
        p = (1 - lr * weight_decay) * p - alpha / max(1, np.sqrt((u**2).mean()) / d) * u
        yield p


def sam(
    weights: list[Array],
    gradient: Gradient,
    steps: int,
    lr: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    rho: float = 0.05,
    adaptive: bool = False,
) -> list[Array]:
    moving = [np.zeros_like(p) for p in weights]
    for t in range(steps):
        grads = gradient(weights)
        scaled = [abs(p) * g if adaptive else g for p, g in zip(weights, grads, strict=True)]
        length = np.sqrt(sum((g**2).sum() for g in scaled)) + 1e-12
        ahead = [
            p + rho * (p**2 if adaptive else 1) * g / length
            for p, g in zip(weights, grads, strict=True)
        ]
        grads = gradient(ahead)
        for i, (p, g) in enumerate(zip(weights, grads, strict=True)):
            g = g + weight_decay * p
            moving[i] = momentum * moving[i] + g if t else g
        weights = [p - lr * b for p, b in zip(weights, moving, strict=True)]
    return weights


def sophia(
    weights: list[Array],
    gradient: Gradient,
    sampled: Gradient,
    steps: int,
    lr: float,
    betas: tuple[float, float] = (0.965, 0.99),
    rho: float = 0.04,
    weight_decay: float = 0.0,
    batch_size: int = 5120,
    k: int = 10,
) -> list[Array]:
    b1, b2 = betas
    m = h = [np.zeros_like(p) for p in weights]
    for t in range(steps):
        grads = gradient(weights)
        weights = [p * (1 - lr * weight_decay) for p in weights]
        if t % k == 0:
            drawn = sampled(weights)
            h = [b2 * one + (1 - b2) * s**2 for one, s in zip(h, drawn, strict=True)]
        m = [b1 * one + (1 - b1) * g for one, g in zip(m, grads, strict=True)]
        weights = [
            p - lr * np.sign(a) * np.minimum(abs(a) / (rho * batch_size * b + 1e-15), 1)
            for p, a, b in zip(weights, m, h, strict=True)
        ]
    return weights
