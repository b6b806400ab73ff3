"""`optimizer(rule)`: an optimizer of NumPy parameters out of a rule or a chain."""

from __future__ import annotations

import copy
import functools
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from thalweg.averaging import Average, at_rest, check_average, with_average
from thalweg.border.again import PreparedSteps
from thalweg.border.answering import answering
from thalweg.border.blocks import is_cut
from thalweg.border.classes import as_chain, made_class
from thalweg.border.copies import check_not_swapped, lent_state
from thalweg.border.groups import (
    NO_BIAS_NORM,
    Lot,
    check_alike,
    check_keys,
    decide,
    lots,
    model_of,
)
from thalweg.border.lent import lend_again, with_training_weights, without_training_weights
from thalweg.border.matching import by_name
from thalweg.border.optimizer import ChainOptimizer
from thalweg.border.others import add_in_parts
from thalweg.chain import Chain, Slot
from thalweg.fuse import whole
from thalweg.mytorch.nn import Module, Parameter
from thalweg.mytorch.optim.base import BaseOptimizer, as_groups, evaluated
from thalweg.mytorch.optim.blocks import ArrayBlocks
from thalweg.mytorch.optim.loading import fitting
from thalweg.mytorch.optim.memory import ArrayLayout, Turn, first_state, ready_gradient
from thalweg.mytorch.optim.prepared import PreparedArrays
from thalweg.mytorch.optim.second_order import differences
from thalweg.rule import Declared

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
_PASSING = {"_chain", "_layout", "_rest", "_prepared", "_turn", "_predicate", "_swapped"}
_PASSING |= {"_at_home", "_asking", "_elsewhere", "chain"}


class Optimizer(ChainOptimizer, BaseOptimizer):
    """What the classes made by `optimizer` share: torch's surface over the fused engine.

    `params` is a Module, its parameters, pairs of a name and a parameter, or a list of groups, each
    a dict with "params" and settings of its own. States and counts are in `state`, by parameter,
    under torch's keys; `state_dict` has torch's form, with arrays for tensors.

    `decay_filter` says which parameters decay: "no_bias_norm" (weights of two or more axes, no
    biases, no norms: exact for a Module or its `named_parameters()`; else, also for a list of
    pairs, by axes and names) or a predicate of (name, parameter); `spared` says which do not.
    `average=EMA(0.999)` or `SWA(...)` keeps an average of the weights, in the same pass.
    """

    arguments = EXTRAS
    argument_types = TYPES
    knows_blocks = True

    _layout: ArrayLayout | None = None
    _rest: ArrayLayout | None = None  # of the parameters whose averages move without a gradient
    _asking: Any = None  # answers what a rule asks for in this step
    _elsewhere: Any = None  # the first half of a step in two
    _turn: whole.Turn
    _prepared: PreparedSteps
    _predicate: Callable[[str, Parameter], bool] | None = None
    _swapped: str = ""
    _own: Mapping[str, Any] = MappingProxyType({})  # what a subclass keeps in its groups besides

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        made = super().__new__(cls)
        # here, so that copies and what comes from files have their own
        made._turn, made._prepared = whole.Turn(), PreparedSteps()
        return made

    def __init__(self, params: Any, **settings: Any) -> None:
        self.defaults = self._settled({**settings, **self._own})
        self._keep_predicate()
        self.param_groups = []
        self.state = {}
        for group in as_groups(self._chain.name, params):
            self.add_param_group(group)
        self._start()

    @property
    def _title(self) -> str:
        return self._chain.name

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters, with settings of their own where the group names them. With `others=`
        they may become two groups."""
        add_in_parts(self, group, Module, self._add)

    def _add(self, group: Mapping[str, Any]) -> None:
        name = self._chain.name
        self._check_group(group)
        own = self._new_group(group)
        own |= self._filter_for(own)
        new = [key for key in own if not any(key in other for other in self.param_groups)]
        check_keys(name, new, self.defaults)
        made = {**self.defaults, **own}
        self._check(made)
        model = model_of(made["params"], Module)
        made = self._joined(made)
        for p in made["params"]:
            self._chain.choice.check(p.shape, made)
        decide(name, made, model)
        lots(name, [made])  # raises for a decay filter of another length
        self.param_groups.append(made)

    def _begin_state(
        self, p: Parameter, slots: Sequence[Slot], views: Sequence[Any], group: Mapping[str, Any]
    ) -> None:
        self.state[p] = first_state(self._chain, p, {}, slots, views)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient by one step.

        `closure`, if given, is called once before, with gradients on also under `no_grad()`; its
        value is returned.
        """
        loss = None if closure is None else evaluated(closure)
        with self._turn.lock:
            self._take_step()
        return loss

    def _take_step(self) -> None:
        check_not_swapped(self)
        if not self._prepared.take(self):
            whole.take(self._deeds, lambda: None)
            self._prepared.prepare(lambda: PreparedArrays.of(self))

    def _evaluated(self, closure: Callable[[], Any]) -> Any:
        return evaluated(closure)

    def _deeds(self) -> list[whole.Deed]:
        """What is to be done to take one step; nothing moves yet."""
        name = self._chain.name
        check_alike(self._chain, self.param_groups)
        all_lots = lots(name, self.param_groups, self._chain)
        pairs = [(p, number) for number, lot in enumerate(all_lots) for p in lot.params]
        turns = [Turn(p, lot, ready_gradient(name, p)) for p, lot in pairs if p.grad is not None]
        now = [self._now(lot.group) for lot in all_lots]
        views = self._views(self._chain, now, all_lots)
        if is_cut(self._chain, all_lots):
            deeds, self._layout = self._in_blocks(all_lots, turns), None
        else:
            deeds, self._layout = self._one_step(self._chain, self._layout, turns, views)
        chain = at_rest(self._chain)
        if chain is not None and len(turns) < len(pairs):  # averages move without a gradient
            resting = [Turn(p, lot, p.data) for p, lot in pairs if p.grad is None]
            views = self._views(chain, now, all_lots)
            still, self._rest = self._one_step(chain, self._rest, resting, views)
            deeds += still
        if self._asking is not None:
            self._asking.prepared()
        return deeds

    def _in_blocks(self, all_lots: Sequence[Lot], turns: Sequence[Turn]) -> list[whole.Deed]:
        """The deeds of a step of what stands in for these parameters, and its end."""
        cut = ArrayBlocks(self._chain, all_lots, turns, self.state)
        views = self._views(self._chain, [self._now(lot.group) for lot in cut.lots], cut.lots)
        live = [self._chain.live_slots(view) for view in views]
        layout = ArrayLayout(self._chain, cut.ready, views, live, cut.states)
        along = functools.partial(differences, self._asking)
        asking = answering(self._chain, self.param_groups, self._asking, along)
        return [*layout.prepare(views, cut.asked(asking)), cut.put_together]

    @staticmethod
    def _views(
        chain: Chain, now: Sequence[Mapping[str, Any]], all_lots: Sequence[Lot]
    ) -> list[list[Any]]:
        both = zip(now, all_lots, strict=True)
        return [chain.views(group, lot.spared, which=lot.which) for group, lot in both]

    def _one_step(
        self, chain: Chain, layout: ArrayLayout | None, turns: Sequence[Turn], views: Sequence[Any]
    ) -> tuple[list[whole.Deed], ArrayLayout]:
        """The deeds of a step under one chain, and the layout for the next one."""
        live = [chain.live_slots(view) for view in views]
        if layout is None or not layout.fits(turns, live, self.state):
            rests = chain is not self._chain
            layout = ArrayLayout(chain, turns, views, live, self.state, rests)
        along = functools.partial(differences, self._asking)
        asking = answering(chain, self.param_groups, self._asking, along)
        return layout.prepare(views, asking), layout

    def _now(self, group: Mapping[str, Any]) -> Mapping[str, Any]:
        """A group's settings as this step takes them."""
        return group

    def state_dict(self) -> dict[str, Any]:
        """Copies of all states and settings, in torch's form: parameters go by their number.

        After `eval()`, and in an `evaluation()`, the weights of the training are in it, as the
        "training_weights" of a parameter.
        """
        ids = {p: i for i, p in enumerate(self._params())}
        groups = [
            copy.deepcopy({k: v for k, v in group.items() if k != "params"})
            | {"params": [ids[p] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {ids[p]: copy.deepcopy(held) for p, held in self.state.items() if held and p in ids}
        state = with_training_weights(self, state, np.copy)
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Take over states and settings, of ours or of torch's class of the same name.

        Where both sides have the parameters' names, states go by name, whatever the order; with
        `strict`, a name missing on either side is an error. If something does not fit, nothing
        changes. A file that was written after `eval()`, beside the model's, leaves the optimizer
        so: `train()` brings the weights of the training back.
        """
        check_not_swapped(self, "load_state_dict()")
        name = self._chain.name
        title = f"{name}.load_state_dict"
        if not (isinstance(state_dict, Mapping) and {"state", "param_groups"} <= set(state_dict)):
            raise ValueError(
                f"{title}: the state must be what state_dict gave, a dict with 'state' and "
                f"'param_groups', got {type(state_dict).__name__}"
            )
        loaded = by_name(name, dict(state_dict), self.param_groups, self.state, strict)
        loaded, lent = without_training_weights(title, self, loaded)
        have = [len(group["params"]) for group in self.param_groups]
        given = [len(group["params"]) for group in loaded["param_groups"]]
        if have != given:
            raise ValueError(
                f"{title}: the groups must have {have} parameters, as the optimizer's, got {given}"
            )
        groups = []
        for mine, saved in zip(self.param_groups, loaded["param_groups"], strict=True):
            group = {**mine, **copy.deepcopy(dict(saved)), "params": mine["params"]}
            self._complete(group)
            group |= {"param_names": mine["param_names"]} if "param_names" in mine else {}
            if saved.get("decay_filter") == NO_BIAS_NORM == self.defaults["decay_filter"]:
                group["decay_filter"] = mine["decay_filter"]
            groups.append(group)
        other = copy.copy(self)  # to be checked before this one changes
        other._take(title, groups, loaded)
        vars(self).update({key: v for key, v in vars(other).items() if key != "_turn"})
        lend_again(self, lent, np.array)

    def _take(self, title: str, groups: list[dict[str, Any]], loaded: Mapping[str, Any]) -> None:
        for group in groups:
            check_average(self._chain.name, group["average"])
        kept = {key: value for key, value in groups[0].items() if key.startswith("average")}
        self.defaults = {**self.defaults, **kept}
        self.param_groups = groups
        self._check_same_average(self._chain.name, [group["average"] for group in groups])
        self._chain = with_average(self.chain, groups[0])
        for group in groups:
            self._check(group)
        lots(self._chain.name, groups)
        ids = [i for group in loaded["param_groups"] for i in group["params"]]
        owners = dict(zip(ids, self._params(), strict=True))
        strange = [i for i in loaded["state"] if i not in owners]
        if strange:
            raise ValueError(
                f"{title}: every state must be that of a parameter in a group, got states of "
                f"{', '.join(map(repr, strange))}"
            )
        group_of = {p: group for group in groups for p in group["params"]}
        both = self._chain, self.chain
        self.state = {
            p: fitting(f"{title}: parameter {i}", *both, p, loaded["state"][i], group_of[p])
            for i, p in owners.items()
            if i in loaded["state"]
        }
        self._layout = self._rest = None

    def __getstate__(self) -> dict[str, Any]:
        own = {key: value for key, value in vars(self).items() if key not in _PASSING}
        return {**own, **lent_state(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._again()
        self._chain = with_average(self.chain, self.defaults)

    def _kept(self, p: Parameter) -> np.ndarray:
        result: np.ndarray = p.data.copy()
        return result

    def _mark(self, p: Parameter) -> Any:
        return zlib.crc32(np.ascontiguousarray(p.data).tobytes())

    def _put(self, target: Any, value: Any) -> None:
        array = target.data if isinstance(target, Parameter) else target
        array[...] = value

    def _wide(self, value: Any) -> np.ndarray:
        return value.data if isinstance(value, Parameter) else value


def optimizer(rule: type[Declared] | Chain) -> type[Optimizer]:
    """Make an optimizer class out of a rule or a chain.

        MyOpt = optimizer(chain("MyOpt", Centralize, RAdam, Lookahead))
        opt = MyOpt(model, lr=3e-4)

    The constructor takes the chain's settings, `maximize`, `decay_filter` and `average`.
    """
    module = sys._getframe(1).f_globals.get("__name__", "__main__")
    return made_class(as_chain(rule), Optimizer, module)
