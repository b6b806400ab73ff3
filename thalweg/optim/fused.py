"""`optimizer(rule)`: a drop-in `torch.optim` class out of a rule or a chain."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, ClassVar, overload

import torch
from torch import Tensor

from thalweg.chain import Chain, chain
from thalweg.optim import (
    team,  # noqa: F401  (kernels on torch's threads)
    tensors,  # noqa: F401  (the reference engine on torch's tensors)
)
from thalweg.optim.layout import Layout, look
from thalweg.optim.slow_weights import SlowWeights
from thalweg.optim.states import number_type
from thalweg.rule import Declared
from thalweg.source import unknown
from thalweg.stages import Lookahead, Maximize

__all__ = ["FusedOptimizer", "optimizer"]

# accepted by every class and kept in its groups, as torch's own classes have them
FLAGS: dict[str, Any] = {
    "foreach": None,
    "capturable": False,
    "differentiable": False,
    "fused": None,
}


class FusedOptimizer(torch.optim.Optimizer):
    """What the classes made by `optimizer` share: one fused pass per step, torch's protocols.

    On the CPU every dense parameter of float32, float64, bfloat16 or float16, real or complex,
    takes the fused pass; any other takes the reference engine. `foreach` and `fused` choose
    nothing, there is one path; `fused=True` lets a GradScaler leave the unscaling to `step`.
    """

    chain: ClassVar[Chain]
    _is_stepping = False
    _layout: Layout | None = None
    _loading: dict[str, Any] | None = None

    def __init__(self, params: Any, **settings: Any) -> None:
        if not hasattr(self, "chain"):
            raise TypeError("FusedOptimizer is what optimizer(rule) builds upon; call that instead")
        self._check_flags(settings)
        self._check(settings)
        super().__init__(params, settings)

    def _check_flags(self, settings: dict[str, Any]) -> None:
        name = self.chain.name
        if settings["fused"] and settings["differentiable"]:
            raise RuntimeError(f"{name}: `fused` does not support `differentiable`")
        if settings["fused"] and settings["foreach"]:
            raise RuntimeError(f"{name}: `fused` and `foreach` cannot be `True` together.")

    def _renamed(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings under their own names where an alias was used."""
        for alias, name in self.chain.aliases.items():
            if alias in settings:
                settings = {**settings, name: settings[alias]}
                del settings[alias]
        return settings

    def _check(self, settings: dict[str, Any]) -> None:
        for key, value in settings.items():
            one_number = key in self.chain.settings and not isinstance(
                self.chain.settings[key].default, tuple
            )
            if one_number and isinstance(value, Tensor) and value.numel() != 1:
                raise ValueError(
                    f"{self.chain.name}: {key} must be a number or a tensor of one element, "
                    f"got a tensor of shape {tuple(value.shape)}"
                )
        self.chain.check(settings)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; settings it does not name are those the optimizer was made with."""
        if isinstance(param_group, dict):
            param_group = self._renamed(param_group)
            self._check({**self.defaults, **param_group})
        super().add_param_group(param_group)

    @staticmethod
    def profile_hook_step(func: Callable[..., Any]) -> Callable[..., Any]:
        """torch's wrapper that runs the hooks around `step`, once per step.

        torch wraps the step of every class; the hooks of a subclass whose step calls ours would
        run twice.
        """
        hooked = torch.optim.Optimizer.profile_hook_step(func)

        @functools.wraps(func)
        def step(self: FusedOptimizer, *args: Any, **kwargs: Any) -> Any:
            if self._is_stepping:
                return func(self, *args, **kwargs)
            self._is_stepping = True
            try:
                return hooked(self, *args, **kwargs)
            finally:
                self._is_stepping = False

        return step

    @property
    def _step_supports_amp_scaling(self) -> bool:
        # a property: as an attribute it would be lost by deepcopy and by wrappers
        return bool(self.defaults.get("fused"))

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every parameter that has a gradient by one step.

        `closure`, if given, is called once with gradients enabled; its value is returned.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._update()
        return loss

    @torch._disable_dynamo  # as torch.optim marks its own: a graph break, not a trace of the engine
    def _update(self) -> None:
        if getattr(self, "_on_slow_weights", False):
            raise RuntimeError(
                f"{self.chain.name}: step() was called inside `with slow_weights()`; "
                "leave the block first, so that the fast weights are back"
            )
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
        seen = look(self.param_groups)
        views = [self.chain.views(group) for group in self.param_groups]
        if self._layout is not None and self._layout.fits(seen, views, self.state):
            self._launch(self._layout, views)
            return
        numbers = [number_type(bool(group.get("fused"))) for group in self.param_groups]
        rounds = seen.rounds()
        for each in rounds:
            layout = Layout(self.chain, each, views, self.state, numbers, differentiable)
            self._launch(layout, views)
        self._layout = layout if layout.reusable and len(rounds) == 1 else None

    def _launch(self, layout: Layout, views: list[Any]) -> None:
        try:
            cells, odd_cells = layout.work.step(
                views,
                layout.pointers,
                layout.read_cells(),
                layout.first,
                layout.odd,
                torch.get_num_threads(),
            )
        except BaseException:
            layout.new.undo()
            raise
        for one, values in zip(layout.odd, odd_cells, strict=True):
            one.keep_cells(values)
        layout.finish(cells)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state_dict of ours or of torch's class of the same name.

        A state in a wider type than its parameter keeps it; torch would narrow it.
        """

        def remember(_: Any, given: dict[str, Any]) -> None:  # after the user's own hooks
            self._loading = given

        handle = self.register_load_state_dict_pre_hook(remember)
        try:
            super().load_state_dict(state_dict)
        finally:
            handle.remove()
            self._loading = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._layout = None
        for group in self.param_groups:
            for alias, name in self.chain.aliases.items():
                if alias in group:
                    group[name] = group.pop(alias)
            for name, value in {**self.chain.defaults, **FLAGS}.items():
                group.setdefault(name, value)
            group.update(self.chain.fixed)
        for held in self.state.values():
            for key in self.chain.cells.keys() & held.keys():
                if not isinstance(held[key], Tensor):  # as old checkpoints have it
                    held[key] = torch.tensor(float(held[key]), dtype=number_type(fused=False))
        if self._loading is not None:
            self._widen(self._loading)

    def _widen(self, loaded: dict[str, Any]) -> None:
        """Take states again that torch rounded to their parameter's narrower type."""
        numbers = [i for group in loaded["param_groups"] for i in group["params"]]
        params = [p for group in self.param_groups for p in group["params"]]
        for number, p in zip(numbers, params, strict=True):
            for key, value in loaded["state"].get(number, {}).items():
                have = self.state[p].get(key)
                if isinstance(have, Tensor) and _is_wider(value, have):
                    self.state[p][key] = value.to(have.device)


def _is_wider(value: Any, have: Tensor) -> bool:
    """Whether a loaded state holds more digits than torch left of it."""
    if not isinstance(value, Tensor) or value.is_complex() != have.is_complex():
        return False
    is_float = value.is_floating_point() or value.is_complex()
    return is_float and value.element_size() > have.element_size()


def optimizer(rule: type[Declared] | Chain) -> type[FusedOptimizer]:
    """Make a `torch.optim.Optimizer` class out of a rule or a chain.

        MyOpt = optimizer(chain("MyOpt", Centralize, RAdam, Lookahead))
        opt = MyOpt(model.parameters(), lr=3e-4)

    The constructor takes the chain's settings, `maximize` and torch's `foreach`, `capturable`,
    `differentiable` and `fused`.
    """
    if not isinstance(rule, Chain | type):
        raise TypeError(f"optimizer takes a rule or a chain, got {rule!r}")
    made = rule if isinstance(rule, Chain) else chain(rule.__name__, rule)
    if "maximize" not in made.settings:
        made = made.preceded_by(Maximize)
    module = sys._getframe(1).f_globals.get("__name__", "__main__")
    has_slow_weights = any(issubclass(part.declared, Lookahead) for part in made.parts)
    bases = (SlowWeights, FusedOptimizer) if has_slow_weights else (FusedOptimizer,)
    body = {
        "chain": made,
        "__doc__": made.doc,
        "__module__": module,
        "__qualname__": made.name,
        "__init__": _constructor(made),
    }
    return type(made.name, bases, body)


def _constructor(made: Chain) -> Callable[..., None]:
    """An `__init__` with the chain's signature, for `help`, editors and error messages."""
    kinds = inspect.Parameter
    parameters = [
        kinds("self", kinds.POSITIONAL_OR_KEYWORD),
        kinds("params", kinds.POSITIONAL_OR_KEYWORD),
    ]
    for name in made.positional:
        default = made.settings[name].default
        parameters.append(kinds(name, kinds.POSITIONAL_OR_KEYWORD, default=default))
    flags = {name: made.settings[name].default for name in made.keyword_only} | FLAGS
    parameters += [kinds(n, kinds.KEYWORD_ONLY, default=v) for n, v in flags.items()]
    signature = inspect.Signature(parameters)

    def __init__(self: FusedOptimizer, *args: Any, **kwargs: Any) -> None:
        for alias, name in made.aliases.items():
            if alias in kwargs and name in kwargs:
                raise TypeError(f"{made.name}: {name} and {alias} are the same; give one of them")
            if alias in kwargs:
                kwargs[name] = kwargs.pop(alias)
        for name in kwargs:
            if name not in signature.parameters:
                raise TypeError(f"{made.name}: {unknown(name, list(signature.parameters)[2:])}")
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments)
        del given["self"]
        FusedOptimizer.__init__(self, **given, **made.fixed)

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    return __init__
