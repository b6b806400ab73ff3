"""`optimizer(rule)`: a drop-in `torch.optim` class out of a rule or a chain."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar

import torch
from torch import Tensor, is_grad_enabled
from torch.nn import Module

from thalweg.averaging import at_rest, kept_at_rest, with_average
from thalweg.border.again import PreparedSteps
from thalweg.border.answering import Answering, answering
from thalweg.border.blocks import is_asked, is_cut
from thalweg.border.classes import as_chain, made_class
from thalweg.border.copies import check_not_swapped, lent_state
from thalweg.border.groups import Lot, check_alike, lots
from thalweg.border.optimizer import ChainOptimizer
from thalweg.border.others import add_in_parts
from thalweg.border.states import wanted
from thalweg.chain import Chain, Slot
from thalweg.fuse.whole import Deed, take
from thalweg.optim import (
    team,  # noqa: F401  (kernels on torch's threads)
    tensors,  # noqa: F401  (the reference engine on torch's tensors)
)
from thalweg.optim.arguments import EXTRAS, FLAGS, TYPES
from thalweg.optim.base import BaseOptimizer
from thalweg.optim.checks import check_dense, check_flags, check_state_type, check_tensors
from thalweg.optim.memory.device import cells_home
from thalweg.optim.memory.layout import TensorLayout
from thalweg.optim.memory.operands import collect, unpacked
from thalweg.optim.memory.reach import asks_for_sides, check_sides
from thalweg.optim.memory.rounds import Rounds
from thalweg.optim.memory.seen import Seen, look, placed
from thalweg.optim.memory.sharded import is_sharded, store
from thalweg.optim.memory.states import First, NewStates, cells_in_kind
from thalweg.optim.memory.there import CountsThere, again, settings_of, still, stops, unscale
from thalweg.optim.prepared import PreparedTensors
from thalweg.optim.second_order import differentiated
from thalweg.optim.traced import Trace, are_fake, freeze, is_watched, operator, remember
from thalweg.optim.words import in_torchs_words, of_shape
from thalweg.rule import Declared

# what torch.set_grad_enabled calls, without the object that it makes
_set_grad_enabled = getattr(torch._C, "_set_grad_enabled", torch.set_grad_enabled)

_shape = attrgetter("shape")

__all__ = ["FusedOptimizer", "optimizer"]


class FusedOptimizer(ChainOptimizer, BaseOptimizer):
    """What the classes made by `optimizer` share: one fused pass per step, torch's protocols.

    On the CPU every dense parameter of float32, float64, bfloat16 or float16, real or complex,
    takes the fused pass; any other the reference engine. `foreach` and `fused` choose nothing;
    `fused=True` lets a GradScaler leave the unscaling to `step`; `state_dtype="float32"` keeps
    narrow parameters' states in single precision.
    `decay_filter` says which parameters decay: "no_bias_norm" (weights of two or more axes, no
    biases, no norms: exact for `AdamW(model)`, its `named_parameters()`, or `no_bias_norm(model)`;
    else by axes and names) or a predicate of (name, parameter); `spared` says what it left out.
    `average=EMA(0.999)` or `SWA(...)` keeps an average of the weights, in the same pass.
    """

    arguments: ClassVar[Mapping[str, Any]] = {**FLAGS, **EXTRAS}
    argument_types: ClassVar[Mapping[str, Any]] = TYPES
    knows_blocks = True

    _layout: TensorLayout | None
    _rest: TensorLayout | None  # of the parameters whose averages move without a gradient
    _first: First
    _asking: Any  # answers what a rule asks for in this step
    _given: set[Sequence[int]]  # the shapes of the parameters that it was given
    _prepared: PreparedSteps

    def __init__(self, params: Any, **settings: Any) -> None:
        settings = self._settled(settings)
        check_flags(self._chain.name, settings)
        super().__init__(params, settings)

    def _begin(self) -> None:
        super()._begin()
        self._again()
        vars(self).setdefault("_chain", self.chain)
        self._layout, self._rest, self._first = None, None, {}
        self._asking = self._elsewhere = None
        vars(self).setdefault("_given", set())
        self._prepared = PreparedSteps()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, settings it does not name as at the beginning; with `others=` maybe two."""
        add_in_parts(self, param_group, Module, super().add_param_group)

    @in_torchs_words
    def _check(self, settings: Mapping[str, Any]) -> None:
        super()._check(settings)

    def _check_own(self, chain: Chain, settings: Mapping[str, Any]) -> None:
        check_tensors(chain, settings)
        check_state_type(chain.name, settings)

    def _check_parameters(self, params: Sequence[Tensor], group: Mapping[str, Any]) -> None:
        choice = self._chain.choice
        check_dense(self._chain.name, params)
        if asks_for_sides(self._chain):
            self._given.update(map(_shape, params))
        for p in params if choice.is_choosy else ():
            try:
                choice.check(p.shape, group)
            except ValueError as error:
                raise ValueError(f"{error}{of_shape(self, p)}") from None

    def _begin_state(
        self, p: Tensor, slots: Sequence[Slot], views: Sequence[Any], group: Mapping[str, Any]
    ) -> None:
        NewStates({}).make(self._chain, self.state[p], p, slots, views, group)

    def _kept(self, p: Tensor) -> Tensor:
        return p.detach().clone()

    @torch.no_grad()
    def _put(self, target: Tensor, value: Tensor) -> None:
        # of shared tensors torch compares strides where nobody walks: a copy overlaps with nothing
        store(target, value.clone() if is_sharded(value) else value)

    def _wide(self, value: Tensor) -> Tensor:
        return value.detach().to(torch.promote_types(value.dtype, torch.float32))

    def _mark(self, p: Tensor) -> Any:
        return None if p.is_inference() else p._version

    @torch.enable_grad()
    def _evaluated(self, closure: Callable[[], Any]) -> Any:
        return closure()

    def _take_step(self) -> None:
        with self._turn.lock:
            self._update()

    def share_memory(self) -> None:
        """Move the states that exist into shared memory, for training in several processes."""
        for held in self.state.values():
            for value in held.values():
                if isinstance(value, Tensor):
                    value.share_memory_()  # type: ignore[no-untyped-call]

    @property
    def _step_supports_amp_scaling(self) -> bool:
        # a property: as an attribute it would be lost by deepcopy and by wrappers
        return bool(self.defaults.get("fused"))

    def _update(self) -> None:
        differentiable, before = bool(self.defaults["differentiable"]), is_grad_enabled()
        try:
            try:
                _set_grad_enabled(differentiable and before)
                if unscale(self):
                    self._run(differentiable)
            finally:
                _set_grad_enabled(before)
        finally:
            if is_grad_enabled() is not before:  # Ctrl-C came in between
                _set_grad_enabled(before)

    @property
    def _counts(self) -> CountsThere | None:  # that lie on a device, of the step laid out last
        return self._layout.counts if self._layout is not None else None

    def _run(self, differentiable: bool) -> None:
        if self._prepared.take(self):
            return
        all_lots = lots(self._chain.name, self.param_groups, self._chain)
        seen = look(all_lots, rests=at_rest(self._chain) is not None)
        if is_watched():
            self._layout = self._rest = None
            if self._is_traceable:
                self._trace(frozen=True)
                return
        self._step(all_lots, seen, self.state, differentiable)
        self._prepared.prepare(lambda: PreparedTensors.of(self, all_lots))

    @property
    def _is_traceable(self) -> bool:
        """Whether a step can be one operator: all it reads and writes are tensors."""
        is_more = self._chain.counts_in_int or self._chain.requests or is_asked(self.param_groups)
        return not (self.defaults["differentiable"] or is_more)

    def _step(
        self,
        all_lots: Sequence[Lot],
        seen: Seen,
        states: MutableMapping[Tensor, dict[str, Any]],
        differentiable: bool = False,
    ) -> None:
        """Take one step of these parameters, or none; those that rest only move their averages."""
        check_not_swapped(self)
        check_alike(self._chain, self.param_groups)
        placed(seen)
        new = NewStates(self._first)

        def deeds() -> list[Deed]:
            found = self._deeds(all_lots, seen, states, new, differentiable)
            if self._asking is not None:
                self._asking.prepared()
            found.append(self._turn.note)
            return found

        take(deeds, new.undo)

    def _deeds(
        self,
        all_lots: Sequence[Lot],
        seen: Seen,
        states: MutableMapping[Tensor, dict[str, Any]],
        new: NewStates,
        differentiable: bool,
    ) -> list[Deed]:
        views = settings_of(self._chain, all_lots, differentiable, self._counts)
        layout = None if is_cut(self._chain, all_lots) else self._layout
        if layout is not None and layout.fits(seen, views, states):
            stop = stops(self, self._counts)
            deeds = layout.prepare(views, self._answering(), stop)
        elif are_fake(seen.params) and self._is_traceable:
            self._trace(frozen=True)
            return []
        else:
            check_sides(self._chain, self.param_groups, self._given)
            views, is_stopped = again(self, all_lots, differentiable, views)
            if is_stopped:
                return []
            made = Rounds(
                self._chain, all_lots, views, states, differentiable, asking=self._answering()
            )
            deeds = made.deeds(seen, new)
            self._layout = made.layout
        chain = at_rest(self._chain) if seen.resting else None
        if seen.resting is None or chain is None:
            return deeds
        still = self._still(chain, all_lots, seen.resting, states, new, differentiable)
        return [*deeds, *still]

    def _answering(self) -> Answering | None:
        curvature = partial(differentiated, self._chain.name)
        return answering(self._chain, self.param_groups, self._asking, curvature)

    def _still(
        self,
        chain: Chain,
        all_lots: Sequence[Lot],
        resting: Seen,
        states: MutableMapping[Tensor, dict[str, Any]],
        new: NewStates,
        differentiable: bool,
    ) -> list[Deed]:
        """What moves of parameters without a gradient: their averages, where they are kept."""
        views = settings_of(chain, all_lots, differentiable, None)
        if (known := still(self, views, resting, states)) is not None:
            return known
        made = Rounds(chain, all_lots, views, states, differentiable, rests=True)
        deeds = made.deeds(resting, new)
        self._rest = made.layout
        return deeds

    def _trace(self, frozen: bool = False) -> None:
        """One operator for the step; `frozen`, with the settings as they are now.

        Under torch.compile they are read when the graph runs: a schedule needs no new graph.
        """
        if not self._is_traceable:
            super()._trace()
            return
        groups: list[int] = []
        params: list[Tensor] = []
        grads: list[Tensor] = []
        states: list[Tensor] = []
        numbers: list[Tensor] = []
        with torch.no_grad():
            for group in self.param_groups:
                its_params: list[Tensor] = []  # torch.compile wants empty lists
                its_grads: list[Tensor] = []
                its_states: list[Tensor] = []
                groups.append(self._init_group(group, its_params, its_grads, its_states))
                if frozen:
                    numbers += freeze(groups[-1], group, len(numbers))
                params += its_params
                grads += its_grads
                states += its_states
            if params:
                operator(groups, params, grads, states, numbers)

    @torch.no_grad()
    def _init_group(
        self,
        group: dict[str, Any],
        params: list[Tensor],
        grads: list[Tensor],
        states: list[Tensor],
    ) -> int:
        """Collect what the step of one group touches, and make the states it lacks: first of the
        parameters that have a gradient, then of those whose averages move without one.

        torch.compile knows it by this name, and runs it while tracing instead of following it.
        """
        found = collect(self._chain, group, self.state, self._first, (params, grads, states))
        return remember(self, *found)

    def _step_on(
        self,
        traces: Sequence[Trace],
        params: Iterator[Tensor],
        grads: Iterator[Tensor],
        held: Iterator[Tensor],
        numbers: Sequence[Tensor],
    ) -> None:
        """One step on given tensors: the optimizer's own, or those a graph has in their place."""
        both = zip(traces, self.param_groups, strict=False)
        groups = [trace.group(live, numbers) for trace, live in both]
        moving, states, places = unpacked(self._chain, traces, groups, (params, grads, held))
        are_own = True
        for mine, p in places:
            known = self.state[mine] if states[p] else {}
            are_own &= p is mine and all(known.get(k) is t for k, t in states[p].items())
            if p is not mine and mine in self._first:
                self._first[p] = self._first.pop(mine)
        with torch.no_grad(), self._turn.lock:
            all_lots = lots(self._chain.name, groups, self._chain)
            self._step(all_lots, moving, self.state if are_own else states)

    def _with_own(self, loaded: dict[str, Any]) -> dict[str, Any]:
        groups = list(loaded["param_groups"])
        for i, (saved, mine) in enumerate(zip(groups, self.param_groups, strict=False)):
            ours = self.arguments.keys() - FLAGS.keys()
            own = {k: v for k, v in mine.items() if k in ours or k.startswith("average")}
            if saved.get("average") is None:  # what it does not average begins with the next step
                saved = {k: v for k, v in saved.items() if k != "average"}
            groups[i] = {**own, **saved}
        return {**loaded, "param_groups": groups}

    def _check_at_home(self, what: str) -> None:
        check_not_swapped(self, what)

    def _check_all(self, title: str, loaded: dict[str, Any]) -> None:
        super()._check_all(title, loaded)
        self._check_same_average(title, [one.get("average") for one in loaded["param_groups"]])

    def _wanted(
        self, p: Tensor, group: Mapping[str, Any]
    ) -> tuple[Mapping[str, Sequence[int]], Collection[str]]:
        return wanted(with_average(self.chain, group), p.shape, group)

    def _rests(self, held: Mapping[str, Any], group: Mapping[str, Any]) -> bool:
        return not held.get("step") and held.keys() <= kept_at_rest(self.chain, group)

    @property
    def _cells(self) -> Collection[str]:
        return self._chain.cells

    def _cells_home(self, p: Tensor, group: Mapping[str, Any]) -> torch.device:
        return cells_home(self._chain, p, group)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), **lent_state(self), **self._said}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # a file knows what it averaged, and so do copies
            self._chain = with_average(self.chain, group)
            self.defaults |= {k: v for k, v in group.items() if k.startswith("average")}
        cells_in_kind(self._chain, self.state.values())


def optimizer(
    rule: type[Declared] | Chain, like: type[torch.optim.Optimizer] | None = None
) -> type[FusedOptimizer]:
    """Make a `torch.optim.Optimizer` class out of a rule or a chain.

        MyOpt = optimizer(chain("MyOpt", Centralize, RAdam, Lookahead))
        opt = MyOpt(model.parameters(), lr=3e-4)

    The constructor takes the chain's settings, `maximize`, torch's `foreach`, `capturable`,
    `differentiable` and `fused`, and `state_dtype` and `decay_filter`; those that its rule lists as
    `torch_flags` may be given by position. `like` is a class of torch's that the made one is to
    pass for, where somebody asks `isinstance`; nothing of it runs.
    """
    module = sys._getframe(1).f_globals.get("__name__", "__main__")
    made = as_chain(rule)
    by_position = made.rules[0].torch_flags.replace(",", " ").split()
    return made_class(made, FusedOptimizer, module, by_position, like)
