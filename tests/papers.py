"""Every optimizer once more, as a loop over NumPy arrays in its paper's lines.

Written apart from thalweg's language, engines and numbers, so that a misunderstanding would have to
be made twice: `paper(p, gradients, **settings)` yields p after each step. Settings have the public
names and defaults; `weight_decay` is the L2 kind unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

Array = np.ndarray
Path = Iterator[Array]
Paper = Callable[..., Path]


def sgd(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> Path:
    b = None
    for g in _ascending(gradients, maximize):
        g = g + weight_decay * p
        if momentum:
            b = g if b is None else momentum * b + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        p = p - lr * g
        yield p


def adam(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = v = peak = np.zeros_like(p)
    for t, g in enumerate(_ascending(gradients, maximize), 1):
        p, g = _decayed(p, g, lr, weight_decay, decoupled_weight_decay)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        peak = np.maximum(peak, v)
        vhat = (peak if amsgrad else v) / (1 - b2**t)
        p = p - lr * (m / (1 - b1**t)) / (np.sqrt(vhat) + eps)
        yield p


def adamw(
    p: Array, gradients: Iterable[Array], weight_decay: float = 1e-2, **settings: Any
) -> Path:
    return adam(p, gradients, weight_decay=weight_decay, decoupled_weight_decay=True, **settings)


def sparse_adam(p: Array, gradients: Iterable[Array], **settings: Any) -> Path:
    """The efficient order of the paper's section 2: eps before the correction."""
    lr, eps = settings.get("lr", 1e-3), settings.get("eps", 1e-8)
    b1, b2 = settings.get("betas", (0.9, 0.999))
    m = v = np.zeros_like(p)
    for t, g in enumerate(_ascending(gradients, settings.get("maximize", False)), 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        p = p - lr * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(v) + eps)
        yield p


def adadelta(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Path:
    of_g = of_x = np.zeros_like(p)
    for g in _ascending(gradients, maximize):
        g = g + weight_decay * p
        of_g = rho * of_g + (1 - rho) * g**2
        x = np.sqrt(of_x + eps) / np.sqrt(of_g + eps) * g
        of_x = rho * of_x + (1 - rho) * x**2
        p = p - lr * x
        yield p


def adagrad(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-2,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
    maximize: bool = False,
) -> Path:
    total = np.full_like(p, initial_accumulator_value)
    for t, g in enumerate(_ascending(gradients, maximize)):
        g = g + weight_decay * p
        total = total + g**2
        p = p - lr / (1 + t * lr_decay) * g / (np.sqrt(total) + eps)
        yield p


def adamax(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = peak = np.zeros_like(p)
    for t, g in enumerate(_ascending(gradients, maximize), 1):
        g = g + weight_decay * p
        m = b1 * m + (1 - b1) * g
        peak = np.maximum(b2 * peak, np.abs(g) + eps)
        p = p - lr / (1 - b1**t) * m / peak
        yield p


def asgd(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-2,
    lambd: float = 1e-4,
    alpha: float = 0.75,
    t0: float = 1e6,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Path:
    eta = lr
    for t, g in enumerate(_ascending(gradients, maximize), 1):
        g = g + weight_decay * p
        p = p - eta * lambd * p - eta * g
        eta = lr / (1 + lambd * lr * t) ** alpha
        yield p


def nadam(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 4e-3,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = v = np.zeros_like(p)
    product = 1.0

    def mu(t: int) -> float:
        return b1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))

    for t, g in enumerate(_ascending(gradients, maximize), 1):
        p, g = _decayed(p, g, lr, weight_decay, decoupled_weight_decay)
        product = product * mu(t)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        of_g = (1 - mu(t)) * g / (1 - product)
        of_m = mu(t + 1) * m / (1 - product * mu(t + 1))
        p = p - lr * (of_g + of_m) / (np.sqrt(v / (1 - b2**t)) + eps)
        yield p


def radam(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
    maximize: bool = False,
    threshold: float = 5.0,
    warmup_mode: str = "sgd",
) -> Path:
    b1, b2 = betas
    m = v = np.zeros_like(p)
    rho_inf = 2 / (1 - b2) - 1
    for t, g in enumerate(_ascending(gradients, maximize), 1):
        p, g = _decayed(p, g, lr, weight_decay, decoupled_weight_decay)
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        mhat = m / (1 - b1**t)
        rho = rho_inf - 2 * t * b2**t / (1 - b2**t)
        if rho > threshold:
            over = (rho_inf - 4) * (rho_inf - 2) * rho
            r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / over)
            p = p - lr * r * mhat * np.sqrt(1 - b2**t) / (np.sqrt(v) + eps)
        elif warmup_mode == "sgd":
            p = p - lr * mhat
        yield p


def rmsprop(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-2,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
    maximize: bool = False,
) -> Path:
    v = mean = b = np.zeros_like(p)
    for g in _ascending(gradients, maximize):
        g = g + weight_decay * p
        v = alpha * v + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        spread = np.maximum(v - mean**2, 0) if centered else v
        b = momentum * b + g / (np.sqrt(spread) + eps)
        p = p - lr * b
        yield p


def rprop(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-2,
    etas: tuple[float, float] = (0.5, 1.2),
    step_sizes: tuple[float, float] = (1e-6, 50.0),
    maximize: bool = False,
) -> Path:
    size, before = np.full_like(p, lr), np.zeros_like(p)
    for g in _ascending(gradients, maximize):
        turned, kept = g * before < 0, g * before > 0
        size = np.clip(size * np.select([kept, turned], [etas[1], etas[0]], 1.0), *step_sizes)
        g = np.where(turned, 0.0, g)
        p, before = p - size * np.sign(g), g
        yield p


def ranger(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.95, 0.999),
    eps: float = 1e-5,
    weight_decay: float = 0.0,
    alpha: float = 0.5,
    k: int = 6,
    n_sma_threshold: float = 5.0,
    use_gc: bool = True,
    gc_conv_only: bool = False,
    gc_normalize: bool = False,
    warmup_mode: str = "sgd",
    maximize: bool = False,
) -> Path:
    centralizes = use_gc and p.ndim > (3 if gc_conv_only else 1)

    def centralized() -> Iterator[Array]:
        axes = tuple(range(1, p.ndim))
        for g in _ascending(gradients, maximize):
            if centralizes:
                g = g - g.mean(axes, keepdims=True)
                if gc_normalize:
                    length = np.sqrt((g**2).sum(axes, keepdims=True))
                    g = g / np.where(length > 0, length, 1.0)
            yield g

    b1, b2 = betas
    slow, m, v = p, np.zeros_like(p), np.zeros_like(p)
    rho_inf = 2 / (1 - b2) - 1
    for t, g in enumerate(centralized(), 1):
        p = p - lr * weight_decay * p
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        rho = rho_inf - 2 * t * b2**t / (1 - b2**t)
        if rho > n_sma_threshold:
            over = (rho_inf - 4) * (rho_inf - 2) * rho
            r = np.sqrt((1 - b2**t) * (rho - 4) * (rho - 2) * rho_inf / over)
            p = p - lr * r / (1 - b1**t) * m / (np.sqrt(v) + eps)
        elif warmup_mode == "sgd":
            p = p - lr / (1 - b1**t) * m
        if t % k == 0:
            slow = slow + alpha * (p - slow)
            p = slow
        yield p


def lion(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-4,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = np.zeros_like(p)
    for g in _ascending(gradients, maximize):
        p = p - lr * weight_decay * p
        p = p - lr * np.sign(b1 * m + (1 - b1) * g)
        m = b2 * m + (1 - b2) * g
        yield p


def adabelief(
    p: Array,
    gradients: Iterable[Array],
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-16,
    weight_decay: float = 0.0,
    rectify: bool = True,
    maximize: bool = False,
) -> Path:
    b1, b2 = betas
    m = s = np.zeros_like(p)
    longest = 2 / (1 - b2) - 1
    for t, g in enumerate(_ascending(gradients, maximize), 1):
        p = p - lr * weight_decay * p
        m = b1 * m + (1 - b1) * g
        s = b2 * s + (1 - b2) * (g - m) ** 2 + eps
        c1, c2 = 1 - b1**t, 1 - b2**t
        length = longest - 2 * t * b2**t / c2
        if not rectify:
            p = p - lr * (m / c1) / (np.sqrt(s / c2) + eps)
        elif length >= 5:
            over = (longest - 4) / (length - 4) * (longest - 2) / (length - 2)
            p = p - lr * np.sqrt(c2 * longest / length / over) / c1 * m / (np.sqrt(s) + eps)
        else:
            p = p - lr * m / c1
        yield p


def _ascending(gradients: Iterable[Array], maximize: bool) -> Iterator[Array]:
    return (-g if maximize else g for g in gradients)


def _decayed(
    p: Array, g: Array, lr: float, weight_decay: float, decoupled: bool
) -> tuple[Array, Array]:
    return (p - lr * weight_decay * p, g) if decoupled else (p, g + weight_decay * p)
