"""`optimizer(rule)`: an optimizer of NumPy parameters out of a rule or a chain."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from thalweg.averaging import averaging, check_average, plain
from thalweg.chain import Chain, chain
from thalweg.constructor import constructor
from thalweg.copies import AveragedWeights, SlowWeights, check_home
from thalweg.fuse import threads
from thalweg.groups import by_name, check_filter, decide, lots
from thalweg.mytorch.nn import Module, Parameter
from thalweg.mytorch.optim.memory import FORMATS, Layout, Row, make_states
from thalweg.mytorch.tensor import no_grad
from thalweg.rule import Declared
from thalweg.stages import Lookahead, Maximize

__all__ = ["Optimizer", "optimizer"]

EXTRAS: dict[str, Any] = {"decay_filter": None, "average": None}


class Optimizer(AveragedWeights):
    """What the classes made by `optimizer` share: torch's surface over the fused engine.

    `params` is a Module, its parameters, pairs of a name and a parameter, or a list of groups, each
    a dict with "params" and settings of its own. States and counts are in `state`, by parameter,
    under torch's keys; `state_dict` has torch's form, with arrays for tensors.
    """

    chain: ClassVar[Chain]

    def __init__(self, params: Any, **settings: Any) -> None:
        if not hasattr(self, "chain"):
            raise TypeError("Optimizer is what optimizer(rule) builds upon; call that instead")
        check_average(self.chain.name, settings["average"])
        settings |= plain(settings["average"])
        self.chain = averaging(type(self).chain, settings)  # type: ignore[misc]
        self._check(settings)
        self.defaults = settings
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Parameter, dict[str, Any]] = {}
        self._layout: Layout | None = None
        groups = _as_groups(self.chain.name, params)
        for group in groups:
            self.add_param_group(group)
        if self.chain.starts_at_construction:
            self._start()

    def _check(self, settings: Mapping[str, Any]) -> None:
        name = self.chain.name
        if settings.get("decay_filter") is not None and not self.chain.spares:
            raise TypeError(f"{name}: decay_filter needs a weight decay, and {name} has none")
        check_filter(name, settings.get("decay_filter"))
        self.chain.check(settings)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters, with settings of their own where the group names them."""
        name = self.chain.name
        if "params" not in group:
            raise ValueError(f"{name}: a group must have 'params', got {sorted(group)}")
        made = {**self.defaults, **group}
        check_average(name, made["average"])
        if averaging(type(self).chain, made) is not self.chain:
            raise ValueError(f"{name}: all groups must keep the same kind of average")
        self._check(made)
        names, params = _unnamed(name, made["params"])
        if len(set(map(id, params))) < len(params):
            raise ValueError(f"{name}: a parameter comes twice in a group")
        taken = {id(p) for other in self.param_groups for p in other["params"]}
        if any(id(p) in taken for p in params):
            raise ValueError(f"{name}: a parameter is in more than one group")
        made["params"] = params
        if names:
            made["param_names"] = names
        decide(name, made)
        self.param_groups.append(made)

    def _start(self) -> None:
        """Make the states of every parameter, for rules that have them from the beginning."""
        for group in self.param_groups:
            views = self.chain.views(group)
            slots = self.chain.live_slots(views)
            for p in group["params"]:
                state = self.state.setdefault(p, {})
                make_states(self.chain, Row(p, 0, state, slots), slots, views)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients; with `set_to_none=False`, fill them with zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif p.grad is not None:
                    p.grad.fill(0)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient by one step.

        `closure`, if given, is called once before; its value is returned.
        """
        loss = None if closure is None else closure()
        check_home(self)
        with no_grad():
            self._step()
        return loss

    def _step(self) -> None:
        parts = lots(self.chain.name, self.param_groups)
        views = [self.chain.views(self._now(lot.group), lot.spared) for lot in parts]
        rows = []
        for number, (lot, view) in enumerate(zip(parts, views, strict=True)):
            slots = self.chain.live_slots(view)
            for p in lot.params:
                if p.grad is not None:
                    _check_gradient(self.chain.name, p)
                    row = Row(p, number, self.state.setdefault(p, {}), slots)
                    make_states(self.chain, row, slots, view)
                    rows.append(row)
        if self._layout is None or self._layout.key != Layout.key_of(self.chain, rows):
            self._layout = Layout(self.chain, rows)
        self._layout.step(rows, views, threads.available())

    def _now(self, group: dict[str, Any]) -> dict[str, Any]:
        """A group's settings as this step takes them."""
        return group

    def state_dict(self) -> dict[str, Any]:
        """Copies of all states and settings, in torch's form: parameters go by their number."""
        numbers = {p: i for i, p in enumerate(self._params())}
        groups = [
            copy.deepcopy({k: v for k, v in group.items() if k != "params"})
            | {"params": [numbers[p] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {numbers[p]: copy.deepcopy(held) for p, held in self.state.items() if held}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Take over states and settings; if something does not fit, nothing changes.

        Where both sides have the parameters' names, states go by name, whatever the order; with
        `strict`, a name missing on either side is an error.
        """
        title = f"{self.chain.name}.load_state_dict"
        loaded = by_name(self.chain.name, dict(state_dict), self.param_groups, self.state, strict)
        have = [len(group["params"]) for group in self.param_groups]
        given = [len(group["params"]) for group in loaded["param_groups"]]
        if have != given:
            raise ValueError(
                f"{title}: the groups must have {have} parameters, as the optimizer's; got {given}"
            )
        owners = dict(
            zip(
                (i for group in loaded["param_groups"] for i in group["params"]),
                self._params(),
                strict=True,
            )
        )
        state = {
            owners[i]: self._fitting(title, owners[i], held)
            for i, held in loaded["state"].items()
            if i in owners
        }
        groups = []
        for mine, saved in zip(self.param_groups, loaded["param_groups"], strict=True):
            group = {**self.defaults, **copy.deepcopy(saved), "params": mine["params"]}
            group.update({"param_names": mine["param_names"]} if "param_names" in mine else {})
            groups.append(group)
        chain_of = [averaging(type(self).chain, group) for group in groups] or [self.chain]
        for group in groups:
            chain_of[0].check(group)
        self.chain = chain_of[0]  # type: ignore[misc]
        self.param_groups, self.state, self._layout = groups, state, None

    def _fitting(self, title: str, p: Parameter, held: Mapping[str, Any]) -> dict[str, Any]:
        """A parameter's loaded state: arrays of its shape, and numbers."""
        found: dict[str, Any] = {}
        for key, value in held.items():
            array = np.asarray(value)
            if array.ndim == 0 and (p.data.ndim or key in self.chain.cells):
                found[key] = float(array)
                continue
            if array.shape != p.data.shape or array.dtype.name not in FORMATS:
                raise ValueError(
                    f"{title}: the state {key!r} must be a float array of its parameter's shape "
                    f"{p.data.shape}, got {array.dtype} of shape {array.shape}"
                )
            found[key] = np.array(array, order="C")
        return found

    def _params(self) -> list[Parameter]:
        return [p for group in self.param_groups for p in group["params"]]

    def _kept(self, p: Parameter) -> np.ndarray:
        return p.data.copy()

    def _put(self, target: Any, value: Any) -> None:
        array = target.data if isinstance(target, Parameter) else target
        array[...] = value

    def _wide(self, value: Any) -> np.ndarray:
        return value.data if isinstance(value, Parameter) else value

    def __repr__(self) -> str:
        lines = [f"{self.chain.name} ("]
        for i, group in enumerate(self.param_groups):
            shown = {k: v for k, v in group.items() if k not in ("params", "param_names")}
            settings = ", ".join(f"{k}={v!r}" for k, v in shown.items())
            lines.append(f"  group {i}: {len(group['params'])} parameters, {settings}")
        return "\n".join([*lines, ")"])


def optimizer(rule: type[Declared] | Chain) -> type[Optimizer]:
    """Make an optimizer class out of a rule or a chain.

        MyOpt = optimizer(chain("MyOpt", Centralize, RAdam, Lookahead))
        opt = MyOpt(model, lr=3e-4)

    The constructor takes the chain's settings, `maximize`, `decay_filter` and `average`.
    """
    if not isinstance(rule, Chain | type):
        raise TypeError(f"optimizer takes a rule or a chain, got {rule!r}")
    made = rule if isinstance(rule, Chain) else chain(rule.__name__, rule)
    if "maximize" not in made.settings:
        made = made.preceded_by(Maximize)
    has_slow_weights = any(issubclass(part.declared, Lookahead) for part in made.parts)
    bases = (SlowWeights, Optimizer) if has_slow_weights else (Optimizer,)
    body = {
        "chain": made,
        "__doc__": made.doc,
        "__module__": sys._getframe(1).f_globals.get("__name__", "__main__"),
        "__qualname__": made.name,
        "__init__": constructor(made, EXTRAS, (), Optimizer.__init__),
    }
    return type(made.name, bases, body)


def _as_groups(title: str, params: Any) -> list[dict[str, Any]]:
    """What a user hands in, as groups."""
    if isinstance(params, Module):
        return [{"params": list(params.named_parameters())}]
    if isinstance(params, Parameter) or not isinstance(params, Iterable):
        raise TypeError(
            f"{title}: params must be a Module, its parameters or groups of them, "
            f"got {type(params).__name__}"
        )
    found = list(params)
    if not found:
        raise ValueError(f"{title}: params must hold at least one parameter, got none")
    if all(isinstance(group, Mapping) for group in found):
        return [dict(group) for group in found]
    return [{"params": found}]


def _unnamed(title: str, params: Any) -> tuple[list[str], list[Parameter]]:
    """The names, where there are any, and the parameters of a group."""
    if isinstance(params, Module):
        params = list(params.named_parameters())
    given: Sequence[Any] = [params] if isinstance(params, Parameter) else list(params)
    names = [one[0] for one in given if isinstance(one, tuple)]
    if names and len(names) < len(given):
        raise ValueError(f"{title}: either every parameter of a group has a name, or none")
    found = [one[1] if isinstance(one, tuple) else one for one in given]
    for p in found:
        if not isinstance(p, Parameter):
            raise TypeError(f"{title}: a parameter must be a Parameter, got {type(p).__name__}")
    return names, found


def _check_gradient(title: str, p: Parameter) -> None:
    grad = p.grad
    if grad is None or grad.shape != p.data.shape or grad.dtype.name not in FORMATS:
        raise ValueError(
            f"{title}: a gradient must be a float array of its parameter's shape {p.data.shape}, "
            f"got {getattr(grad, 'dtype', type(grad).__name__)} of shape {np.shape(grad)}"
        )
