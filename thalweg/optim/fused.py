"""`optimizer(rule)`: a drop-in `torch.optim` class out of a rule or a chain."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from operator import is_
from typing import Any, ClassVar

import torch
from torch import Tensor

from thalweg.averaging import averaging, check_average, plain
from thalweg.chain import Chain, Slot, chain
from thalweg.constructor import constructor
from thalweg.copies import AveragedWeights, SlowWeights, check_home
from thalweg.groups import Lot, check_filter, lots
from thalweg.optim import (
    team,  # noqa: F401  (kernels on torch's threads)
    tensors,  # noqa: F401  (the reference engine on torch's tensors)
)
from thalweg.optim.base import BaseOptimizer
from thalweg.optim.layout import Layout, Seen, look
from thalweg.optim.states import STATE_TYPES, NewStates, number_type
from thalweg.optim.traced import are_fake, is_watched, operator, remember
from thalweg.optim.words import in_torchs_words
from thalweg.rule import Declared, Rule
from thalweg.stages import Lookahead, Maximize

__all__ = ["FusedOptimizer", "optimizer"]

# accepted by every class and kept in its groups, as torch's own classes have them
FLAGS: dict[str, Any] = {
    "foreach": None,
    "capturable": False,
    "differentiable": False,
    "fused": None,
}
# what torch's do not have
EXTRAS: dict[str, Any] = {"state_dtype": "param", "decay_filter": None, "average": None}


class FusedOptimizer(AveragedWeights, BaseOptimizer):
    """What the classes made by `optimizer` share: one fused pass per step, torch's protocols.

    On the CPU every dense parameter of float32, float64, bfloat16 or float16, real or complex,
    takes the fused pass; any other takes the reference engine. `foreach` and `fused` choose
    nothing, there is one path; `fused=True` lets a GradScaler leave the unscaling to `step`.
    `state_dtype="float32"` keeps the states of narrow parameters in single precision.
    `decay_filter` says which parameters decay: "no_bias_norm" (weights of two or more axes, and
    no biases) or a predicate of (name, parameter), which takes `model.named_parameters()`.
    `average=EMA(0.999)` or `SWA(...)` keeps an average of the weights, in the same pass.
    """

    chain: ClassVar[Chain]
    _layout: Layout | None = None
    _fresh: dict[Tensor, set[str]]  # parts whose states a tracing made: their first step is ahead

    def __init__(self, params: Any, **settings: Any) -> None:
        if not hasattr(self, "chain"):
            raise TypeError("FusedOptimizer is what optimizer(rule) builds upon; call that instead")
        check_average(self.chain.name, settings["average"])
        settings |= plain(settings["average"])
        self.chain = averaging(type(self).chain, settings)  # type: ignore[misc]
        self._check_flags(settings)
        self._check(settings)
        super().__init__(params, settings)
        self._keep_predicate()
        self._fresh = {}
        if self.chain.starts_at_construction:
            self._start()

    def _check_flags(self, settings: dict[str, Any]) -> None:
        name = self.chain.name
        if settings["fused"] and settings["differentiable"]:
            raise RuntimeError(f"{name}: `fused` does not support `differentiable`")
        if settings["fused"] and settings["foreach"]:
            raise RuntimeError(f"{name}: `fused` and `foreach` cannot be `True` together.")

    def _renamed(self, settings: dict[str, Any]) -> dict[str, Any]:
        for alias, name in self.chain.aliases.items():
            if alias in settings:
                settings = {**settings, name: settings[alias]}
                del settings[alias]
        return settings

    @in_torchs_words
    def _check(self, settings: dict[str, Any]) -> None:
        name = self.chain.name
        for key, value in settings.items():
            one_number = key in self.chain.settings and not isinstance(
                self.chain.settings[key].default, tuple
            )
            if one_number and isinstance(value, Tensor) and value.numel() != 1:
                raise ValueError(
                    f"{name}: {key} must be a number or a tensor of one element, "
                    f"got a tensor of shape {tuple(value.shape)}"
                )
        if settings.get("state_dtype", "param") not in STATE_TYPES:
            raise ValueError(
                f"{name}: state_dtype must be one of {', '.join(map(repr, STATE_TYPES))}, "
                f"got {settings['state_dtype']!r}"
            )
        if settings.get("decay_filter") is not None and not self.chain.spares:
            raise TypeError(f"{name}: decay_filter needs a weight decay, and {name} has none")
        check_filter(name, settings.get("decay_filter"))
        self.chain.check(settings)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; settings it does not name are those the optimizer was made with."""
        if isinstance(param_group, dict) and "average" in param_group:
            check_average(self.chain.name, param_group["average"])
            made = plain(param_group["average"])
            if isinstance(param_group["average"], str):  # another optimizer's group
                made |= param_group
            param_group = {**param_group, **made}
            self._check_same_average([*self.param_groups, param_group])
        super().add_param_group(param_group)
        for p in self.param_groups[-1]["params"]:
            if p.layout != torch.strided:
                self.param_groups.pop()
                raise ValueError(
                    f"{self.chain.name} requires dense parameter tensors, got one of layout "
                    f"{p.layout} and shape {tuple(p.shape)}"
                )

    def _check_same_average(self, groups: Sequence[Mapping[str, Any]]) -> None:
        kinds = {group["average"] for group in groups} | {self.defaults["average"]}
        if len(kinds) > 1:
            raise ValueError(
                f"{self.chain.name}: all groups must keep the same kind of average, "
                f"got {', '.join(sorted(map(repr, kinds)))}"
            )

    def _start(self) -> None:
        """Make the states of every parameter, as torch's class does when it is made."""
        new = NewStates(self.chain)
        for group in self.param_groups:
            views = self.chain.views(group)
            for p in group["params"]:
                slots = self.chain.live_slots(views)
                of_rules = [slot for slot in slots if issubclass(slot.part.declared, Rule)]
                new.make(self.state[p], p, of_rules, views, group)

    def _kept(self, p: Tensor) -> Tensor:
        return p.detach().clone()

    @torch.no_grad()
    def _put(self, target: Tensor, value: Tensor) -> None:
        target.copy_(value)

    def _wide(self, value: Tensor) -> Tensor:
        return value.detach().to(torch.promote_types(value.dtype, torch.float32))

    def share_memory(self) -> None:
        """Move the states that exist into shared memory, for training in several processes."""
        for held in self.state.values():
            for value in held.values():
                if isinstance(value, Tensor):
                    value.share_memory_()

    @property
    def _step_supports_amp_scaling(self) -> bool:
        # a property: as an attribute it would be lost by deepcopy and by wrappers
        return bool(self.defaults.get("fused"))

    def _update(self) -> None:
        differentiable = bool(self.defaults["differentiable"])
        with torch.set_grad_enabled(differentiable and torch.is_grad_enabled()):
            if self._unscale():
                self._run(differentiable)

    def _unscale(self) -> bool:
        """Apply what a GradScaler left on the optimizer; False if this step must not happen."""
        found_inf = getattr(self, "found_inf", None)
        if found_inf is not None and float(found_inf) > 0:
            return False
        scale = getattr(self, "grad_scale", None)
        if scale is not None:
            grads = [p.grad for group in self.param_groups for p in group["params"]]
            for grad in grads:
                if grad is not None:
                    grad.div_(scale)
        return True

    def _run(self, differentiable: bool) -> None:
        parts = lots(self.chain.name, self.param_groups)
        seen = look(parts)
        if is_watched() and self._is_traceable:
            self._trace()
        else:
            self._step(parts, seen, self.state, differentiable)

    @property
    def _is_traceable(self) -> bool:
        """Whether a step can be one operator: all it reads and writes are tensors."""
        return not (self.defaults["differentiable"] or self.chain.counts_in_int)

    def _step(
        self,
        parts: Sequence[Lot],
        seen: Seen,
        states: MutableMapping[Tensor, dict[str, Any]],
        differentiable: bool = False,
    ) -> None:
        check_home(self)
        views = [self.chain.views(lot.group, lot.spared, differentiable) for lot in parts]
        if self._layout is not None and self._layout.fits(seen, views, states):
            self._layout.step(views)
            return
        if are_fake(seen.params) and self._is_traceable:
            self._trace()
            return
        rounds = seen.rounds()
        for each in rounds:
            layout = Layout(self.chain, each, parts, views, states, self._fresh, differentiable)
            layout.step(views)
            for p in each.params:
                self._fresh.pop(p, None)
        self._layout = layout if layout.reusable and len(rounds) == 1 else None

    def _trace(self) -> None:
        if not self._is_traceable:
            super()._trace()
            return
        groups: list[int] = []
        params: list[Tensor] = []
        grads: list[Tensor] = []
        states: list[Tensor] = []
        with torch.no_grad():
            for group in self.param_groups:
                its_params: list[Tensor] = []  # torch.compile wants empty lists
                its_grads: list[Tensor] = []
                its_states: list[Tensor] = []
                groups.append(self._init_group(group, its_params, its_grads, its_states))
                params += its_params
                grads += its_grads
                states += its_states
            if params:
                operator(groups, params, grads, states)

    @torch.no_grad()
    def _init_group(
        self,
        group: dict[str, Any],
        params: list[Tensor],
        grads: list[Tensor],
        states: list[Tensor],
    ) -> int:
        """Collect what the step of one group touches, and make the states it lacks.

        torch.compile knows it by this name, and runs it while tracing instead of following it.
        """
        new = NewStates(self.chain)
        sizes: list[int] = []
        for lot in lots(self.chain.name, [group]):
            seen = look([lot])
            views = self.chain.views(group, lot.spared)
            slots = self.chain.live_slots(views)
            for p in seen.params:
                held = self.state[p] if slots or self.chain.cells else {}
                self._fresh.setdefault(p, set()).update(new.make(held, p, slots, views, group))
                states += [held[key] for key in self._keys(slots)]
            params += seen.params
            grads += seen.grads
            sizes += seen.sizes
        return remember(self, list(params), sizes)

    def _keys(self, slots: Sequence[Slot]) -> list[str]:
        """The keys of a parameter's state, in the operator's order."""
        return [*self.chain.cells, *(slot.key for slot in slots)]

    def _step_on(
        self,
        own: Sequence[Tensor],
        sizes: list[int],
        params: list[Tensor],
        grads: list[Tensor],
        held: Sequence[Tensor],
    ) -> None:
        """One step on given tensors: the optimizer's own, or those a graph has in their place."""
        parts = lots(self.chain.name, self.param_groups)
        seen = Seen(params, grads, sizes)
        given = iter(held)
        states: dict[Tensor, dict[str, Any]] = {}
        are_own = all(map(is_, params, own))
        for p, mine, lot in zip(params, own, seen.lots(), strict=True):
            views = self.chain.views(parts[lot].group, parts[lot].spared)
            states[p] = {key: next(given) for key in self._keys(self.chain.live_slots(views))}
            are_own = are_own and all(self.state[mine].get(k) is t for k, t in states[p].items())
            if p is not mine:
                self._fresh[p] = self._fresh.pop(mine, set())
        with torch.no_grad():
            self._step(parts, seen, self.state if are_own else states)

    def _with_own(self, loaded: dict[str, Any]) -> dict[str, Any]:
        groups = list(loaded["param_groups"])
        for i, (saved, mine) in enumerate(zip(groups, self.param_groups, strict=False)):
            own = {k: v for k, v in mine.items() if k in EXTRAS or k.startswith("average")}
            if saved.get("average") is None:  # what it does not average begins with the next step
                saved = {k: v for k, v in saved.items() if k != "average"}
            groups[i] = {**own, **saved}
        return {**loaded, "param_groups": groups}

    @property
    def _numbers(self) -> Collection[str]:
        return self.chain.cells

    def _complete(self, group: dict[str, Any]) -> None:
        for alias, name in self.chain.aliases.items():
            if alias in group:
                group[name] = group.pop(alias)
        for name, value in {**self.chain.defaults, **FLAGS, **EXTRAS}.items():
            group.setdefault(name, value)
        group.update(self.chain.fixed)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._layout, self._fresh = None, {}
        for group in self.param_groups:  # a file knows what it averaged, and so do copies
            self.chain = averaging(type(self).chain, group)  # type: ignore[misc]
            self.defaults |= {k: v for k, v in group.items() if k.startswith("average")}
        for held in self.state.values():
            for key in self.chain.cells.keys() & held.keys():
                is_tensor = isinstance(held[key], Tensor)
                if key == "step" and self.chain.counts_in_int:
                    held[key] = int(held[key])
                elif not is_tensor:  # as old checkpoints have it
                    held[key] = torch.tensor(float(held[key]), dtype=number_type(fused=False))


def optimizer(
    rule: type[Declared] | Chain, flags: str = "", like: type[torch.optim.Optimizer] | None = None
) -> type[FusedOptimizer]:
    """Make a `torch.optim.Optimizer` class out of a rule or a chain.

        MyOpt = optimizer(chain("MyOpt", Centralize, RAdam, Lookahead))
        opt = MyOpt(model.parameters(), lr=3e-4)

    The constructor takes the chain's settings, `maximize`, torch's `foreach`, `capturable`,
    `differentiable` and `fused`, and `state_dtype` and `decay_filter`. `flags` lists those of them
    that may be given by position, in order. `like` is a class of torch's that the made one is to
    pass for, where somebody asks `isinstance`; nothing of it runs.
    """
    if not isinstance(rule, Chain | type):
        raise TypeError(f"optimizer takes a rule or a chain, got {rule!r}")
    made = rule if isinstance(rule, Chain) else chain(rule.__name__, rule)
    if "maximize" not in made.settings:
        made = made.preceded_by(Maximize)
    module = sys._getframe(1).f_globals.get("__name__", "__main__")
    has_slow_weights = any(issubclass(part.declared, Lookahead) for part in made.parts)
    by_position = flags.replace(",", " ").split()
    bases: tuple[type, ...] = (
        (SlowWeights, FusedOptimizer) if has_slow_weights else (FusedOptimizer,)
    )
    bases += (like,) if like else ()
    body = {
        "chain": made,
        "__doc__": made.doc,
        "__module__": module,
        "__qualname__": made.name,
        "__init__": constructor(made, {**FLAGS, **EXTRAS}, by_position, FusedOptimizer.__init__),
    }
    return type(made.name, bases, body)
