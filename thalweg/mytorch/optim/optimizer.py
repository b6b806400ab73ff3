"""`optimizer(rule)`: an optimizer of NumPy parameters out of a rule or a chain."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from thalweg.averaging import Average, at_rest, averaging, check_average, plain
from thalweg.border.constructor import constructor
from thalweg.border.copies import AveragedWeights, SlowWeights, check_home
from thalweg.border.groups import NO_BIAS_NORM, check_filter, check_keys, decide, lots, spared
from thalweg.border.matching import by_name
from thalweg.chain import Chain, chain
from thalweg.fuse import threads, whole
from thalweg.mytorch.graph import enable_grad
from thalweg.mytorch.nn import Module, Parameter
from thalweg.mytorch.optim.loading import fitting
from thalweg.mytorch.optim.memory import Layout, Turn, first_state, ready_gradient
from thalweg.rule import Declared, Rule
from thalweg.stages import Lookahead, Maximize

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Optimizer", "optimizer"]

# what the constructor takes beside the chain's settings, kept in every group
EXTRAS: dict[str, Any] = {"decay_filter": None, "average": None}

# of the arguments, for programs that read annotations
TYPES: dict[str, Any] = {
    "params": Module | Iterable[Any],
    "number": float,
    "decay_filter": Literal["no_bias_norm"] | Callable[[str, Parameter], bool] | None,
    "average": Average | None,
}

# what a copy or a file does without: it is found again, or belongs to a `with` block
_PASSING = ("_chain", "_layout", "_rest", "_predicate", "_swapped", "_turn")


class Optimizer(AveragedWeights):
    """What the classes made by `optimizer` share: torch's surface over the fused engine.

    `params` is a Module, its parameters, pairs of a name and a parameter, or a list of groups, each
    a dict with "params" and settings of its own. States and counts are in `state`, by parameter,
    under torch's keys; `state_dict` has torch's form, with arrays for tensors.

    `decay_filter` says which parameters decay: "no_bias_norm" (weights of two or more axes, no
    biases, no norms) or a predicate of (name, parameter); `spared` says which do not.
    `average=EMA(0.999)` or `SWA(...)` keeps an average of the weights, in the same pass.
    """

    chain: ClassVar[Chain]
    _layout: Layout | None = None
    _rest: Layout | None = None  # of the parameters whose averages move without a gradient
    _turn: whole.Turn
    _predicate: Callable[[str, Parameter], bool] | None = None
    _swapped: str = ""
    _own: Mapping[str, Any] = MappingProxyType({})  # what a subclass keeps in its groups besides

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        made = super().__new__(cls)
        made._turn = whole.Turn()  # here, so that copies and what comes from files have their own
        return made

    def __init__(self, params: Any, **settings: Any) -> None:
        if not hasattr(self, "chain"):
            raise TypeError("Optimizer is what optimizer(rule) builds upon; call that instead")
        check_average(self.chain.name, settings["average"])
        settings |= {**_plain(settings["average"]), **self._own}
        self._chain = averaging(self.chain, settings)
        self._check(settings)
        if callable(settings["decay_filter"]):  # a function in the defaults could not be saved
            self._predicate = settings["decay_filter"]
            settings = {**settings, "decay_filter": None}
        self.defaults = settings
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Parameter, dict[str, Any]] = {}
        for group in _as_groups(self._chain.name, params):
            self.add_param_group(group)
        if self._chain.starts_at_construction:
            self._start()

    def _check(self, settings: Mapping[str, Any]) -> None:
        """Raise ValueError or TypeError for the settings of a group that are not acceptable."""
        name = self._chain.name
        if settings.get("decay_filter") is not None and not self._chain.spares:
            raise TypeError(f"{name}: decay_filter needs a weight decay, and {name} has none")
        check_filter(name, settings.get("decay_filter"))
        self._chain.check(settings)

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters, with settings of their own where the group names them."""
        name = self._chain.name
        if not isinstance(group, Mapping):
            raise TypeError(f"{name}: a group must be a dict, got {type(group).__name__}")
        if "params" not in group:
            raise ValueError(f"{name}: a group must have 'params', got {sorted(group)}")
        check_average(name, group.get("average"))
        own = self._renamed({**group, **_plain(group.get("average"))})
        if "decay_filter" not in own:
            own["decay_filter"] = self._filter_of_others()
        new = [key for key in own if not any(key in other for other in self.param_groups)]
        check_keys(name, new, self.defaults)
        made = {**self.defaults, **own}
        self._check_same_average([made])
        self._check(made)
        model = made["params"] if isinstance(made["params"], Module) else None
        names, params = _unnamed(name, made["params"])
        if len(set(params)) < len(params):
            raise ValueError(f"{name}: a parameter comes twice in a group")
        if not set(params).isdisjoint(self._params()):
            raise ValueError(f"{name}: a parameter is in more than one group")
        made["params"] = params
        if names:
            made["param_names"] = names
        decide(name, made, model)
        lots(name, [made])  # raises for a decay filter of another length
        self.param_groups.append(made)

    def _renamed(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings under their own names where another was used."""
        return {self._chain.aliases.get(key, key): value for key, value in settings.items()}

    def _filter_of_others(self) -> Any:
        """What the optimizer was made with, for a group that brings no decay filter."""
        is_lost = self._predicate is None and self.defaults["decay_filter"] is None
        if is_lost and any(isinstance(group["decay_filter"], list) for group in self.param_groups):
            raise ValueError(
                f"{self._chain.name}: a new group needs its own decay_filter; the predicate that "
                "the optimizer was made with is lost in copies and files"
            )
        return self._predicate or self.defaults["decay_filter"]

    def _check_same_average(self, groups: Sequence[Mapping[str, Any]]) -> None:
        kinds = {group["average"] for group in [*self.param_groups, *groups]}
        if len(kinds | {self.defaults["average"]}) > 1:
            raise ValueError(f"{self._chain.name}: all groups must keep the same kind of average")

    def _start(self) -> None:
        """Make the states of every parameter, for rules that have them from the beginning."""
        for group in self.param_groups:
            views = self._chain.views(group)
            slots = [s for s in self._chain.live_slots(views) if issubclass(s.part.declared, Rule)]
            for p in group["params"]:
                self.state[p] = first_state(self._chain, p, {}, slots, views)

    @property
    def spared(self) -> list[list[Any]]:
        """What the decay filter spares: of each group the names, or else the places in it."""
        return [spared(self._chain.name, group) for group in self.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients; with `set_to_none=False`, fill them with zeros."""
        for p in self._params():
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                p.grad.fill(0)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient by one step.

        `closure`, if given, is called once before, with gradients on also under `no_grad()`; its
        value is returned.
        """
        loss = None if closure is None else _evaluated(closure)
        with self._turn.lock:
            check_home(self)
            whole.take(self._deeds, lambda: None)
        return loss

    def _deeds(self) -> list[whole.Deed]:
        """What is to be done to take one step; nothing moves yet."""
        name, parts = self._chain.name, lots(self._chain.name, self.param_groups)
        pairs = [(p, number) for number, lot in enumerate(parts) for p in lot.params]
        turns = [Turn(p, lot, ready_gradient(name, p)) for p, lot in pairs if p.grad is not None]
        now = [self._now(lot.group) for lot in parts]
        views = [self._chain.views(g, lot.spared) for g, lot in zip(now, parts, strict=True)]
        deeds, self._layout = self._one_step(self._chain, self._layout, turns, views)
        chain = at_rest(self._chain)
        if chain is not None and len(turns) < len(pairs):  # averages move without a gradient
            resting = [Turn(p, lot, p.data) for p, lot in pairs if p.grad is None]
            views = [chain.views(g, lot.spared) for g, lot in zip(now, parts, strict=True)]
            still, self._rest = self._one_step(chain, self._rest, resting, views)
            deeds += still
        return deeds

    def _one_step(
        self, chain: Chain, layout: Layout | None, turns: Sequence[Turn], views: Sequence[Any]
    ) -> tuple[list[whole.Deed], Layout]:
        """The deeds of a step under one chain, and the layout for the next one."""
        live = [chain.live_slots(view) for view in views]
        if layout is None or not layout.fits(turns, live, self.state):
            layout = Layout(chain, turns, views, live, self.state, rests=chain is not self._chain)
        return layout.prepare(turns, views, self.state, threads.available()), layout

    def _now(self, group: Mapping[str, Any]) -> Mapping[str, Any]:
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
        state = {
            numbers[p]: copy.deepcopy(held)
            for p, held in self.state.items()
            if held and p in numbers
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Take over states and settings, of ours or of torch's class of the same name.

        Where both sides have the parameters' names, states go by name, whatever the order; with
        `strict`, a name missing on either side is an error. If something does not fit, nothing
        changes.
        """
        name = self._chain.name
        title = f"{name}.load_state_dict"
        if not (isinstance(state_dict, Mapping) and {"state", "param_groups"} <= set(state_dict)):
            raise ValueError(
                f"{title}: the state must be what state_dict gave, a dict with 'state' and "
                f"'param_groups', got {type(state_dict).__name__}"
            )
        loaded = by_name(name, dict(state_dict), self.param_groups, self.state, strict)
        have = [len(group["params"]) for group in self.param_groups]
        given = [len(group["params"]) for group in loaded["param_groups"]]
        if have != given:
            raise ValueError(
                f"{title}: the groups must have {have} parameters, as the optimizer's, got {given}"
            )
        groups = []
        for mine, saved in zip(self.param_groups, loaded["param_groups"], strict=True):
            group = {**mine, **self._renamed(copy.deepcopy(dict(saved))), "params": mine["params"]}
            group |= {"param_names": mine["param_names"]} if "param_names" in mine else {}
            if saved.get("decay_filter") == NO_BIAS_NORM == self.defaults["decay_filter"]:
                group["decay_filter"] = mine["decay_filter"]
            groups.append(group)
        other = copy.copy(self)  # to be checked before this one changes
        other._take(title, groups, loaded)
        vars(self).update({key: v for key, v in vars(other).items() if key != "_turn"})

    def _take(self, title: str, groups: list[dict[str, Any]], loaded: Mapping[str, Any]) -> None:
        for group in groups:
            check_average(self._chain.name, group["average"])
        kept = {key: value for key, value in groups[0].items() if key.startswith("average")}
        self.defaults = {**self.defaults, **kept}
        self.param_groups = groups
        self._check_same_average([])
        self._chain = averaging(self.chain, groups[0])
        for group in groups:
            self._check(group)
        lots(self._chain.name, groups)
        numbers = [i for group in loaded["param_groups"] for i in group["params"]]
        owners = dict(zip(numbers, self._params(), strict=True))
        strange = [i for i in loaded["state"] if i not in owners]
        if strange:
            raise ValueError(
                f"{title}: every state must be that of a parameter in a group, got states of "
                f"{', '.join(map(repr, strange))}"
            )
        self.state = {
            owners[i]: fitting(f"{title}: parameter {i}", self._chain, self.chain, owners[i], held)
            for i, held in loaded["state"].items()
        }
        self._layout = self._rest = None

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in _PASSING}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._chain = averaging(self.chain, self.defaults)

    def _params(self) -> list[Parameter]:
        return [p for group in self.param_groups for p in group["params"]]

    def _kept(self, p: Parameter) -> np.ndarray:
        result: np.ndarray = p.data.copy()
        return result

    def _put(self, target: Any, value: Any) -> None:
        array = target.data if isinstance(target, Parameter) else target
        array[...] = value

    def _wide(self, value: Any) -> np.ndarray:
        return value.data if isinstance(value, Parameter) else value

    def __repr__(self) -> str:
        lines = [f"{self._chain.name} ("]
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
        "__init__": constructor(made, EXTRAS, (), Optimizer.__init__, TYPES),
    }
    return type(made.name, bases, body)


def _evaluated(closure: Callable[[], Any]) -> Any:
    with enable_grad():
        return closure()


def _plain(average: Any) -> dict[str, Any]:
    """An average as the keys of a group; one that is named already has its keys there."""
    return plain(average) if isinstance(average, Average) else {}


def _as_groups(title: str, params: Any) -> list[dict[str, Any]]:
    """What a user hands in, as groups."""
    if isinstance(params, Module) and any(True for _ in params.parameters()):
        return [{"params": params}]  # whose modules a decay filter asks
    if isinstance(params, Module):
        params = []
    if isinstance(params, Parameter | Mapping | Set) or not isinstance(params, Iterable):
        raise TypeError(
            f"{title}: params must be a Module, its parameters in order or groups of them, "
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
        params = params.named_parameters()
    if isinstance(params, Set) or not isinstance(params, Iterable | Parameter):
        raise TypeError(
            f"{title}: the params of a group must be a Module or parameters in order, "
            f"got {type(params).__name__}"
        )
    given: list[Any] = [params] if isinstance(params, Parameter) else list(params)
    pairs = [one if _is_named(one) else ("", one) for one in given]
    for _, p in pairs:
        if not isinstance(p, Parameter):
            raise TypeError(f"{title}: a parameter must be a Parameter, got {type(p).__name__}")
    names = [one[0] for one in given if _is_named(one)]
    if names and len(names) < len(given):
        raise ValueError(f"{title}: either every parameter of a group has a name, or none")
    return names, [p for _, p in pairs]


def _is_named(one: Any) -> bool:
    return isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str)
