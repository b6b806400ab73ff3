"""What every optimizer class here shares: torch's protocols, kept in one place."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from threading import get_ident
from typing import TYPE_CHECKING, Any, overload

import torch
from torch import Tensor
from torch._compile import _disable_dynamo
from torch.compiler import is_compiling
from torch.nn import Module

from thalweg.border.copies import itself
from thalweg.border.groups import (
    NO_BIAS_NORM,
    DecayFilters,
    check_keys,
    decide,
    model_of,
    spared,
)
from thalweg.border.lent import lend_again, with_training_weights, without_training_weights
from thalweg.border.matching import by_name
from thalweg.fuse.whole import Turn
from thalweg.optim.joining import join
from thalweg.optim.loading import check_form, fits_in_number
from thalweg.optim.memory.states import all_narrowed
from thalweg.optim.own_states import OwnStates, Typed, no_narrower
from thalweg.optim.quick import quick, without_gradients
from thalweg.optim.standing_alone import alone, is_compiled_alone, left_alone

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["BaseOptimizer"]

_NAMING = {"params", "param_names"}  # what of a group is no setting


_BEGUN = {"_is_traced": False, "_predicate": None, "_loading": None, "_swapped": ""}


@dataclass
class _Interrupted:
    """What was raised when the step had happened: it waits for the hooks."""

    error: BaseException


def _finishing(func: Callable[..., Any]) -> Callable[..., Any]:
    """A step that returns what is raised after the weights have moved."""

    @functools.wraps(func)
    def step(self: BaseOptimizer, *args: Any, **kwargs: Any) -> Any:
        try:
            return func(self, *args, **kwargs)
        except BaseException as error:
            if not self._turn.taken.get(get_ident()):
                raise
            return _Interrupted(error)

    return step


def _raising(finishing: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, which raises what a step has returned to be raised."""

    def step(self: BaseOptimizer, *args: Any, **kwargs: Any) -> Any:
        result = finishing(self, *args, **kwargs)
        if isinstance(result, _Interrupted):
            raise result.error
        return result

    return step


def _once(plain: Callable[..., Any], hooked: Callable[..., Any]) -> Callable[..., Any]:
    """The hooked one of two functions, and inside it the plain one."""

    def step(self: BaseOptimizer, *args: Any, **kwargs: Any) -> Any:
        if self._is_traced:
            return plain(self, *args, **kwargs)
        self._is_traced = True
        try:
            return hooked(self, *args, **kwargs)
        finally:
            self._is_traced = False

    return step


class BaseOptimizer(DecayFilters, torch.optim.Optimizer):
    """A `torch.optim.Optimizer` whose subclass says what a step does (`_update`), what settings it
    accepts (`_check`) and what a group of an old checkpoint lacks (`_complete`).

    What an optimizer keeps of its own is in no class attribute: a wrapper class made at run time
    out of ours (Lightning, Fabric) forwards what the class lacks, and would find that first.
    """

    _turn: Turn
    _is_traced: bool
    _loading: Mapping[Any, Any] | None
    _itself: weakref.ref[
        BaseOptimizer
    ]  # the optimizer, for a wrapper that calls our methods as its own

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        self._begin()
        model = model_of(params, Module)
        given = params if model is None else [{"params": params}]
        # by name, past the class of torch's that a subclass may pass for
        torch.optim.Optimizer.__init__(self, given, defaults)
        if model is not None and not self.param_groups[0]["params"]:
            raise _without_parameters(self._title, model)
        self._keep_predicate()
        self._start()

    def _begin(self) -> None:
        """What an optimizer keeps of its own and no file holds, as it is before it is used."""
        own = vars(self)
        own.update({**_BEGUN, **own})
        self._itself = weakref.ref(self)

    @property
    def _title(self) -> str:
        """The user's name for this class, for errors."""
        return type(itself(self)).__name__

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        made._turn = Turn()  # here, so that copies and what comes from files have their own
        return made

    def _check(self, settings: Mapping[str, Any]) -> None:
        """Raise ValueError or TypeError for settings that are not acceptable."""
        raise NotImplementedError

    def _check_loaded(self, settings: Mapping[str, Any]) -> None:
        """The same for the settings of a group that comes from a file."""
        self._check(settings)

    def _complete(self, group: dict[str, Any]) -> None:
        """Fill in what a group loaded from a file lacks."""
        raise NotImplementedError

    def _wanted(
        self, p: Tensor, group: Mapping[str, Any]
    ) -> tuple[Mapping[str, Sequence[int]], Collection[str]]:
        """Of a loaded state: the shape of each array, and the keys that no step could replace."""
        return {}, ()

    def _rests(self, held: Mapping[str, Any], group: Mapping[str, Any]) -> bool:
        """Whether a loaded state is that of a parameter that was never stepped."""
        return not held

    def _with_own(self, loaded: dict[str, Any]) -> dict[str, Any]:
        """A loaded state_dict with what torch's classes do not have, where it lacks it."""
        return loaded

    @property
    def _cells(self) -> Collection[str]:
        """The keys of a parameter's state that hold single numbers, whatever its type."""
        return ("step",)

    def _cells_home(self, p: Tensor, group: Mapping[str, Any]) -> torch.device:
        """Where they lie."""
        return torch.device("cpu")

    def _update(self) -> None:
        """Move every parameter that has a gradient by one step."""
        raise NotImplementedError

    @_disable_dynamo
    def _trace(self) -> None:
        """The same under torch.compile: a break of the graph, unless a class knows better."""
        self._update()

    def _start(self) -> None:
        """Make the states that are there before any step; a hook."""

    def _new_group(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """A group that joins, its settings under the names that they have here."""
        return {**given}

    def _has_grown(self) -> None:
        """A group has joined; a hook."""

    def _renamed(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings under their own names where another was used."""
        return {**settings}

    def _check_parameters(self, params: Sequence[Tensor], group: Mapping[str, Any]) -> None:
        """Raise for one of a new group's parameters that no step could move."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; settings it does not name are those the optimizer was made with."""
        model = None
        if isinstance(param_group, dict):
            param_group = self._new_group(param_group)
            param_group |= self._filter_for(param_group)
            model = model_of(param_group.get("params"), Module)
            if model is not None and model is param_group["params"]:
                param_group["params"] = _named(self._title, model)
            if self.param_groups or param_group.keys() - _NAMING:
                self._check({**self.defaults, **param_group})  # else the constructor has
            new = [key for key in param_group if not any(key in g for g in self.param_groups)]
            check_keys(self._title, new, self.defaults)
        join(self, param_group, super().add_param_group)
        try:
            decide(self._title, self.param_groups[-1], model)
            self._check_parameters(self.param_groups[-1]["params"], self.param_groups[-1])
        except BaseException:
            self.param_groups.pop()
            raise
        self._has_grown()

    @staticmethod
    def profile_hook_step(func: Callable[..., Any]) -> Callable[..., Any]:
        """torch's wrapper that runs the hooks around `step`, once per step.

        torch wraps the step of every class; the hooks of a subclass whose step calls ours would
        run twice.
        """
        profiled = torch.optim.Optimizer.profile_hook_step
        hooked = quick(func, _raising(profiled(_finishing(func))))
        traced = _once(func, profiled(func))

        @functools.wraps(func)
        def step(self: BaseOptimizer, *args: Any, **kwargs: Any) -> Any:
            if is_compiling():  # which cannot follow threads and interrupts
                return traced(self, *args, **kwargs)
            if is_compiled_alone():
                return alone(
                    functools.partial(step, self, *args, **kwargs),
                    functools.partial(traced, self, *args, **kwargs),
                )
            me, taken = get_ident(), self._turn.taken
            if me in taken:
                return func(self, *args, **kwargs)
            try:
                try:
                    taken[me] = False
                    return hooked(self, args, kwargs)
                finally:
                    taken.pop(me, None)
            finally:  # Ctrl-C may come in between
                taken.pop(me, None)

        return left_alone(step)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Take every parameter's gradient away, or with `set_to_none=False` fill it with zeros."""
        if not (set_to_none and without_gradients(self)):
            super().zero_grad(set_to_none)

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
        if is_compiling():
            self._trace()
        else:
            with self._turn.lock:
                self._update()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The states and settings, in torch's form and, counts too, in torch's types.

        After `eval()`, and in an `evaluation()`, the weights of the training are in it, as the
        "training_weights" of a parameter.
        """
        found = super().state_dict()
        if "state" in found:  # a hook may have made anything of it
            cells = self._cells
            states = all_narrowed(found["state"], cells)
            states = with_training_weights(itself(self), states, Tensor.clone)
            found = {**found, "state": states}
        return found

    def load_state_dict(self, state_dict: dict[str, Any], strict: bool = True) -> None:
        """Load a state_dict of ours or of torch's class of the same name.

        Where both sides have the parameters' names, states go by name, whatever the order; with
        `strict`, a name missing on either side is an error, without it what fits is loaded and the
        rest stays, with a warning; words that DistributedDataParallel or torch.compile put into
        names are seen through. A state in a wider type than its parameter keeps it; torch would
        narrow it. States are copies, and nothing changes where something does not fit. A file that
        was written then, beside the model's, leaves the optimizer so: `train()` brings the
        weights of the training back.
        """

        own = itself(self)
        if own is not self:
            own.load_state_dict(state_dict, strict)
            return
        self._check_at_home("load_state_dict()")
        title = f"{self._title}.load_state_dict"
        lent: dict[Tensor, Tensor] = {}
        if not isinstance(state_dict, Mapping):  # a hook may make one of another mapping
            check_form(title, state_dict)

        def remember(_: Any, given: dict[str, Any]) -> dict[str, Any]:  # after the user's own hooks
            check_form(title, given)
            named = by_name(self._title, given, self.param_groups, self.state, strict)
            named, found = without_training_weights(title, self, named)
            lent.update(found)
            if not fits_in_number(self.param_groups, named):
                return named  # torch refuses it
            named = self._with_own(self._with_decided(named))
            self._check_all(title, named)
            self._loading = self._own_states(title, named)
            # the states are ready, so that torch has none to convert, nor numbers to copy
            groups = [{**one, "params": range(len(one["params"]))} for one in named["param_groups"]]
            return {**named, "state": {}, "param_groups": groups}

        handle = self.register_load_state_dict_pre_hook(remember)
        try:
            super().load_state_dict(state_dict)
            lend_again(self, lent, lambda own: own.detach().clone())
        finally:
            handle.remove()
            self._loading = None

    def _own_states(
        self, title: str, loaded: Mapping[str, Any], typed: Typed = no_narrower
    ) -> Mapping[Any, Any]:
        """The states of a file as the optimizer's own; raises for those that no step could take."""
        made = OwnStates(title, self._cells, self._cells_home, self._wanted, self._rests, typed)
        return made.of(self.param_groups, loaded)

    def _check_at_home(self, what: str) -> None:
        """Raise where the parameters hold other weights than those of the training."""

    def _with_decided(self, loaded: dict[str, Any]) -> dict[str, Any]:
        """A file that has the word for its filter leaves it as the model's modules decided it."""
        if self.defaults.get("decay_filter") != NO_BIAS_NORM:
            return loaded
        groups = [
            {**saved, "decay_filter": mine["decay_filter"]}
            if saved.get("decay_filter") == NO_BIAS_NORM
            else saved
            for saved, mine in zip(loaded["param_groups"], self.param_groups, strict=True)
        ]
        return {**loaded, "param_groups": groups}

    def _check_all(self, title: str, loaded: dict[str, Any]) -> None:
        """Raise for settings that no step could take, before anything changes."""
        for saved, mine in zip(loaded["param_groups"], self.param_groups, strict=True):
            settings = self._renamed({k: v for k, v in saved.items() if k != "params"})
            try:
                self._check_loaded({**self.defaults, **settings})
                spared(self._title, {**saved, "params": mine["params"]})
            except (TypeError, ValueError) as error:
                words = str(error).removeprefix(f"{self._title}: ")
                raise type(error)(f"{title}: {words}") from None
            check_keys(title, [key for key in settings if key not in mine], self.defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        if (loading := vars(self).get("_loading")) is not None:
            state = {**state, "state": loading}
        torch.optim.Optimizer.__setstate__(self, state)  # by name: torch's own class may be next
        self._begin()
        for group in self.param_groups:
            self._complete(group)


def _named(title: str, model: Module) -> list[tuple[str, Tensor]]:
    """A model's parameters with their names."""
    found: list[tuple[str, Tensor]] = list(model.named_parameters())
    if not found:
        raise _without_parameters(title, model)
    return found


def _without_parameters(title: str, model: Module) -> ValueError:
    return ValueError(f"{title}: the model must have a parameter, got {type(model).__name__}")
