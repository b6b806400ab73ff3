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
        if k % precondition_frequency == 0:  # the authors' get_orthogonal_matrix_QR, axis by axis
            rows = np.argsort(-np.diag(one.T @ left @ one))
            columns = np.argsort(-np.diag(other.T @ right @ other))
            v = v[rows][:, columns]
            one = np.linalg.qr(left @ one[:, rows])[0]
            other = np.linalg.qr(right @ other[:, columns])[0]
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


def psgd_kron(
    p: Array,
    gradients: Iterable[Array],
    normal: Callable[[int], Array],
    lr: float = 1e-3,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    probability: tuple[float, float, float, float] = (0.03, 1.0, 1e-3, 500.0),
    max_size: int = 8192,
    precond_lr: float = 0.1,
) -> Iterator[Array]:
    """`normal(t)` are the random numbers of step t. A factor for each axis of a matrix or vector,
    and as the authors' both are made equally large now and then, here more often."""
    shape, p = p.shape, p.reshape(len(p), -1) if p.ndim > 1 else p
    low, high, decay, flat = probability
    full = [p.ndim > 1 and 1 < side <= max_size for side in p.shape]
    factors = [
        np.eye(side) if whole else np.ones(side) for side, whole in zip(p.shape, full, strict=True)
    ]
    m, waited = np.zeros_like(p), 0
    draw = np.random.default_rng(0)
    for n, g in enumerate(gradients):
        m = momentum * m + (1 - momentum) * g.reshape(p.shape)
        d = m / (1 - momentum ** (n + 1))
        chance = np.clip(high * np.exp(-decay * (n - flat)), low, high)
        waited += 1
        if waited >= 1 / chance:
            waited = 0
            if draw.random() < 0.2 and p.ndim > 1:
                sizes = np.array([abs(q).max() for q in factors])
                factors = [
                    q * np.sqrt(sizes.prod()) / s for q, s in zip(factors, sizes, strict=True)
                ]
            factors = _kron_moved(factors, d, normal(n + 1).reshape(p.shape), precond_lr)
        x = d
        for axis, q in enumerate(factors):
            x = _along(axis, q.T @ q if q.ndim > 1 else np.diag(q**2), x)
        x = x * min(1.1 / (np.sqrt((x**2).mean()) + 1e-8), 1.0)
        p = p - lr * (x + weight_decay * p)
        yield p.reshape(shape)


def _along(axis: int, q: Array, x: Array) -> Array:
    """A matrix times each vector along an axis."""
    return np.moveaxis(np.tensordot(q, x, (1, axis)), 0, axis)


def _kron_moved(factors: list[Array], g: Array, v: Array, lr: float) -> list[Array]:
    a, b, moved = g, v, []
    for axis, q in enumerate(factors):
        whole = q if q.ndim > 1 else np.diag(q)
        a, b = _along(axis, whole, a), _along(axis, np.linalg.inv(whole).T, b)
    for axis, q in enumerate(factors):
        one, other = (np.moveaxis(x, axis, 0).reshape(len(q), -1) for x in (a, b))
        one, other = one @ one.T, other @ other.T
        if q.ndim > 1:
            q = q - lr * np.triu(one - other) / _kron_bound(one + other) @ q
        else:
            one, other = np.diag(one), np.diag(other)
            q = q - lr * (one - other) / abs(one + other).max() * q
        moved.append(q)
    return moved


def _kron_bound(x: Array) -> float:
    """A lower bound of the spectral norm, of the row that is the longest."""
    direction = x @ x[np.argmax((x**2).sum(1))]
    return float(np.linalg.norm(x @ direction) / np.linalg.norm(direction))


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
