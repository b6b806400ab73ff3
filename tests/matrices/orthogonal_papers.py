"""The lines of the papers of rules that orthogonalize, in NumPy alone: Muon and its relatives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

Array = np.ndarray


def orthogonalized(x: Array, steps: int = 5) -> Array:
    """Newton and Schulz, on the matrix rows by all the rest."""
    a, b, c = 3.4445, -4.775, 2.0315
    shape = x.shape
    x = x.reshape(len(x), -1)
    x = x / max(np.sqrt((x**2).sum()), 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.reshape(shape)


def sides(p: Array) -> tuple[int, int]:
    return len(p), p.size // len(p)


def muon(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    weight_decay: float = 0.1,
    momentum: float = 0.95,
    nesterov: bool = True,
    adjust_lr_fn: str = "original",
    flatten: bool = False,
    heads: int = 1,
) -> Iterator[Array]:
    m = np.zeros_like(p)
    for g in gradients:
        m = momentum * m + (1 - momentum) * g
        d = momentum * m + (1 - momentum) * g if nesterov else m
        x = np.concatenate([orthogonalized(one) for one in np.split(d, heads)])
        rows, columns = sides(p)
        p = (1 - lr * weight_decay) * p - lr * _size(rows / heads, columns, adjust_lr_fn) * x
        yield p


def _size(rows: float, columns: int, adjust_lr_fn: str) -> float:
    if adjust_lr_fn == "match_rms_adamw":
        return 0.2 * np.sqrt(max(rows, columns))
    if adjust_lr_fn == "spectral_norm":
        return np.sqrt(rows / columns)
    return np.sqrt(max(1, rows / columns))


def normuon(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 0.02,
    weight_decay: float = 0.0,
    momentum: float = 0.95,
    beta2: float = 0.95,
    nesterov: bool = True,
    adjust_lr_fn: str = "original",
    flatten: bool = False,
) -> Iterator[Array]:
    m, v = np.zeros_like(p), np.zeros((len(p), 1))
    for g in gradients:
        m = m + (1 - momentum) * (g - m)
        d = g + momentum * (m - g) if nesterov else m
        x = orthogonalized(d).reshape(sides(p))
        before = np.linalg.norm(x)
        v = v + (1 - beta2) * ((x * x).mean(axis=1, keepdims=True) - v)
        x = x / (np.sqrt(v) + 1e-10)
        x = x * before / (np.linalg.norm(x) + 1e-10)
        x = x * _size(*sides(p), adjust_lr_fn)
        p = p * (1 - lr * weight_decay) - lr * x.reshape(p.shape)
        yield p


def adamuon(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    weight_decay: float = 0.01,
    momentum: float = 0.95,
    nesterov: bool = False,
    eps: float = 1e-8,
    flatten: bool = False,
) -> Iterator[Array]:
    m = v = np.zeros_like(p)
    for g in gradients:
        m = momentum * m + g  # the paper's sum
        x = orthogonalized(np.sign(g + momentum * m if nesterov else m))
        v = momentum * v + (1 - momentum) * x**2
        x = x / (np.sqrt(v) + eps)
        gamma = 0.2 * np.sqrt(p.size) / (np.linalg.norm(x) + eps)
        p = p - lr * (gamma * x + weight_decay * p)
        yield p


def musgd(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 0.01,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    nesterov: bool = True,
    muon: float = 0.2,
    sgd: float = 1.0,
) -> Iterator[Array]:
    m = b = np.zeros_like(p)
    for g in gradients:
        if p.ndim > 1:
            m = m + (1 - momentum) * (g - m)
            x = orthogonalized(g + momentum * (m - g) if nesterov else m)
            x = x * max(1, p.shape[-2] / p.shape[-1]) ** 0.5 if p.ndim == 2 else x
            p = p - lr * muon * x
        g = g + weight_decay * p
        b = momentum * b + g
        step = g + momentum * b if nesterov else b
        p = p - lr * (sgd if p.ndim > 1 else 1) * step
        yield p


def dion(
    p: Array,
    gradients: Iterable[Array],
    start: Array,
    lr: float = 0.01,
    mu: float = 0.95,
    weight_decay: float = 0.01,
    rank: int = 768,
    eps: float = 1e-8,
) -> Iterator[Array]:
    """`start` are the random numbers of the columns by the rows, of which rank are taken."""
    rows, columns = p.shape
    m, q = np.zeros_like(p), start[:, : min(rank, rows, columns)]
    for g in gradients:
        m = m + g
        left, _ = np.linalg.qr(m @ q)
        right = m.T @ left
        m = m - (1 - mu) * left @ right.T
        q = right / (np.linalg.norm(right, axis=0, keepdims=True) + eps)
        p = p * (1 - weight_decay * lr)
        p = p - lr * np.sqrt(rows / columns) * left @ q.T
        yield p


def scion(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    momentum: float = 0.1,
    scale: float = 1.0,
    unconstrained: bool = False,
    norm: str = "auto",
) -> Iterator[Array]:
    m = np.zeros_like(p)
    for g in gradients:
        m = (1 - momentum) * m + momentum * g
        rows, columns = sides(p)
        if norm == "sign":
            x = np.sign(m) / columns
        elif p.ndim > 1:
            x = np.sqrt(rows / columns) * orthogonalized(m)
        else:
            x = m / (np.sqrt((m**2).mean()) + 1e-8)
        p = p if unconstrained else p * (1 - lr)
        p = p - lr * scale * x
        yield p
