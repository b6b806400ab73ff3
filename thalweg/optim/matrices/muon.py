"""Muon: momentum and the step by the fused pass, the orthogonal direction by torch's products."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thalweg.border.constructor import by_keyword
from thalweg.border.groups import check_filter, lots
from thalweg.chain import Chain, chain
from thalweg.fuse.engine import Launch
from thalweg.fuse.plan import plan_for
from thalweg.fuse.storage import computation
from thalweg.fuse.whole import Deed, take
from thalweg.optim.base import BaseOptimizer
from thalweg.optim.checks import check_ranges, refuse
from thalweg.optim.matrices.inner_rules import Descend, Momentum, numbers_of
from thalweg.optim.matrices.spans import SpanPass, vectors
from thalweg.optim.memory.reach import address, format_of, is_reachable, laid_out_like
from thalweg.optim.memory.seen import look
from thalweg.optim.memory.sharded import cut_like, is_sharded
from thalweg.optim.memory.states import as_they_are
from thalweg.settings import Setting

__all__ = ["Muon"]

MOMENTUM = chain("Muon", Momentum)
DESCEND = chain("Muon", Descend)

DEFAULTS: dict[str, Any] = {
    "lr": 1e-3,
    "weight_decay": 0.1,
    "momentum": 0.95,
    "nesterov": True,
    "ns_coefficients": (3.4445, -4.775, 2.0315),
    "eps": 1e-7,
    "ns_steps": 5,
    "adjust_lr_fn": None,
}

RANGES = {
    "lr": Setting(DEFAULTS["lr"], low=0),
    "weight_decay": Setting(DEFAULTS["weight_decay"], low=0),
    "momentum": Setting(DEFAULTS["momentum"], low=0),
    "eps": Setting(DEFAULTS["eps"]),
}

ITERATION = {
    "ns_coefficients": Setting(DEFAULTS["ns_coefficients"]),
    "ns_steps": Setting(DEFAULTS["ns_steps"], below=100),
}

# what torch says of the same mistakes
WORDS = {
    "lr": "Learning rate should be >= 0 but is: {}",
    "momentum": "momentum should be >= 0 but is: {}",
    "weight_decay": "weight decay should be >= 0 but is: {}",
    "ns_steps": "Number of steps must be less than 100 for computational efficiency",
}


class Muon(BaseOptimizer, torch.optim.Muon):
    """Muon: momentum, orthogonalized.

    The step of a weight matrix has all its singular values near one, so that rare
    directions are learned as fast as common ones. For the hidden matrices of a
    network; embeddings, heads and vectors go to AdamW.

        m  <- m + (1 - momentum) (g - m)
        u   = m + (1 - momentum) (g - m)        with nesterov, else m
        x   = u / |u|, then ns_steps times
        x  <- a x + (b x x' + c (x x')^2) x     a, b, c = ns_coefficients
        p  <- p - lr weight_decay p - lr s x    s = sqrt(max(1, rows / columns)), or
                                                0.2 sqrt(max(rows, columns)) to match AdamW

    Paper: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/; decay and s to match
    AdamW: Liu et al. 2025, arXiv:2502.16982.
    Differs: as torch, the momentum is an average where Jordan has a sum. Not as torch, bfloat16
    parameters without nesterov keep their momentum; torch normalizes it in place. By position the
    order is torch's; Jordan's had (params, lr, momentum, nesterov, ns_steps). A sharded matrix is
    made whole on every process for its products.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        *,
        decay_filter: str | Callable[[str, Tensor], bool] | None = None,
    ) -> None:
        settings = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
            "decay_filter": decay_filter,
        }
        self._check(settings)
        super().__init__(params, settings)

    def _check(self, settings: Mapping[str, Any]) -> None:
        with by_keyword("Muon", ("weight_decay", "momentum", "nesterov")):
            if isinstance(settings.get("momentum"), bool):
                raise TypeError(f"Muon: momentum must be a number, got {settings['momentum']!r}")
        check_ranges("Muon", RANGES, settings, WORDS)
        check_filter("Muon", settings.get("decay_filter"))
        _check_iteration(settings)
        adjust = settings["adjust_lr_fn"]
        if adjust not in (None, "original", "match_rms_adamw"):
            raise ValueError(
                f"Muon: adjust_lr_fn must be None, 'original' or 'match_rms_adamw', got "
                f"{adjust!r} (Adjust learning rate function {adjust} is not supported)"
            )

    def _complete(self, group: dict[str, Any]) -> None:
        for name, value in {**DEFAULTS, "decay_filter": None}.items():
            group.setdefault(name, value)

    def _wanted(
        self, p: Tensor, group: Mapping[str, Any]
    ) -> tuple[Mapping[str, Sequence[int]], Collection[str]]:
        return {"momentum_buffer": p.shape}, ["momentum_buffer"]

    def _check_parameter(self, p: Tensor) -> None:
        if p.dim() != 2:
            raise ValueError(
                "Muon only supports 2D parameters whereas we found a parameter with size: "
                f"{p.size()}; give the others to another optimizer, such as AdamW"
            )

    @torch.no_grad()
    def _update(self) -> None:
        all_lots = lots("Muon", self.param_groups)
        seen = look(all_lots)
        refuse("Muon", seen.params, seen.grads)
        for group in self.param_groups:  # it may have changed
            self._check(group)
        undo = as_they_are(self.state, seen.params)

        def deeds() -> list[Deed]:
            found: list[Deed] = []
            for p, g, lot in zip(seen.params, seen.grads, seen.lots(), strict=True):
                held, settings = self.state[p], all_lots[lot].group
                if held.get("momentum_buffer") is None:
                    zeros = torch.zeros_like(p, memory_format=torch.preserve_format)
                    held["momentum_buffer"] = zeros
                if p.numel():
                    decay = 0.0 if all_lots[lot].spared else float(settings["weight_decay"])
                    found.append(functools.partial(_step, p, g, held, settings, decay))
            return [*found, self._turn.note]

        take(deeds, undo)


def _check_iteration(settings: Mapping[str, Any]) -> None:
    """What torch asks at every step, not when the optimizer is made."""
    coefficients = settings["ns_coefficients"]
    if isinstance(coefficients, tuple | list) and len(coefficients) != 3:
        raise ValueError(
            f"Muon: ns_coefficients must be 3 numbers, got {coefficients!r} "
            "(Coefficients must be a tuple of exactly 3 values)"
        )
    check_ranges("Muon", ITERATION, settings, WORDS)


def _step(
    p: Tensor, g: Tensor, held: dict[str, Any], group: Mapping[str, Any], decay: float
) -> list[Deed]:
    """What moves one matrix, in memory of its own until it is done; nothing moves yet."""
    mu, m = float(group["momentum"]), held["momentum_buffer"]
    lr, nesterov = float(group["lr"]), bool(group["nesterov"])
    keep, step = 1 - lr * decay, lr * _adjustment(group["adjust_lr_fn"], *p.shape)
    orthogonal = functools.partial(
        _orthogonalized,
        coefficients=group["ns_coefficients"],
        steps=int(group["ns_steps"]),
        eps=float(group["eps"]),
    )
    if not all(is_reachable(DESCEND, p, other, (), {}, {}) for other in (g, m)):
        g = g.to(m.dtype)
        following = m.lerp(g, 1 - mu)
        x = orthogonal((g.lerp(following, mu) if nesterov else following).to(torch.bfloat16))
        moved = p.mul(keep).add(cut_like(p, x) if is_sharded(p) else x, alpha=-step)
        return [functools.partial(_store, ((m, following), (p, moved)))]
    g, m = laid_out_like(p, g), laid_out_like(p, m)
    held["momentum_buffer"] = m
    u, x = (
        torch.empty_like(p, dtype=torch.bfloat16, memory_format=torch.preserve_format)
        for _ in range(2)
    )
    first = _direction(p, g, m, u, mu, nesterov)
    last = _launch(DESCEND, p, {"p": p, "g": x}, {"keep": keep, "step": step})

    def descend() -> list[Deed]:
        x.copy_(orthogonal(u))
        note = functools.partial(torch.autograd.graph.increment_version, [p])
        return [functools.partial(_run, last, [p, x]), note]

    return [functools.partial(_run, first, [g, m, u]), descend]


def _run(launch: Launch, _: Sequence[Tensor]) -> None:
    """Run it over these tensors: it knows only their addresses."""
    launch.run(torch.get_num_threads())


def _store(values: Sequence[tuple[Tensor, Tensor]]) -> None:
    for tensor, value in values:
        tensor.copy_(value)


def _direction(p: Tensor, g: Tensor, m: Tensor, u: Tensor, mu: float, nesterov: bool) -> Launch:
    """What moves the momentum on, and fills in the direction."""
    # torch takes mu from one in the computation type, and the last bits of the direction decide
    # on which side of a bfloat16 it falls
    is_double = computation(format_of(DESCEND, p)) == "float64"
    ahead = 1 - (mu if is_double else float(np.float32(mu)))
    settings = {"w": 1 - mu, "ahead": ahead, "nesterov": nesterov}
    return _launch(MOMENTUM, p, {"g": g, "m": m, "d": u}, settings)


def _orthogonalized(u: Tensor, coefficients: Sequence[float], steps: int, eps: float) -> Tensor:
    """The matrix u with its singular values moved towards one."""
    if is_sharded(u):  # the direction is that of all rows together
        u = u.full_tensor()  # type: ignore[attr-defined]
    a, b, c = map(float, coefficients)
    x = u.T if u.size(0) > u.size(1) else u  # the smaller of the two Gram matrices
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if u.size(0) > u.size(1) else x


def _adjustment(function: str | None, rows: int, columns: int) -> float:
    """What the rate is multiplied by, for steps of the same size whatever the shape."""
    if function == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns))


def _launch(
    chain_: Chain,
    p: Tensor,
    streams: Mapping[str, Tensor],
    settings: Mapping[str, float],
) -> Launch:
    """The one pass of a rule over tensors that lie alike, ready to be run once."""
    formats = tuple((name, format_of(chain_, t)) for name, t in streams.items())
    ways, numbers = numbers_of(chain_.rules[0], **settings)
    pass_ = _pass(chain_, formats, computation(format_of(chain_, p)), ways)
    at = {name: np.array([address(t)], np.int64) for name, t in streams.items()}
    return pass_.launch(_table(p.numel()), at, numbers)


@functools.cache
def _pass(
    chain_: Chain,
    formats: tuple[tuple[str, str], ...],
    computed: str,
    ways: tuple[bool | None, ...],
) -> SpanPass:
    return SpanPass(plan_for(chain_, (ways,)).main, dict(formats), computed, "Muon")


@functools.cache
def _table(size: int) -> Any:
    return vectors(np.array([size]))
