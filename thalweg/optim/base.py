"""What every optimizer class here shares: torch's protocols, kept in one place."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any, overload

import torch
from torch import Tensor

from thalweg.groups import by_name, decide
from thalweg.optim.loading import restore_types

__all__ = ["BaseOptimizer"]


class BaseOptimizer(torch.optim.Optimizer):
    """A `torch.optim.Optimizer` whose subclass says what a step does (`_update`), what settings it
    accepts (`_check`) and what a group of an old checkpoint lacks (`_complete`)."""

    _is_stepping = False
    _predicate: Callable[[str, Tensor], bool] | None = None
    _loading: dict[str, Any] | None = None

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        # by name, past the class of torch's that a subclass may pass for
        torch.optim.Optimizer.__init__(self, params, defaults)

    def _check(self, settings: dict[str, Any]) -> None:
        """Raise ValueError or TypeError for settings that are not acceptable."""
        raise NotImplementedError

    def _complete(self, group: dict[str, Any]) -> None:
        """Fill in what a group loaded from a file lacks."""
        raise NotImplementedError

    def _with_own(self, loaded: dict[str, Any]) -> dict[str, Any]:
        """A loaded state_dict with what torch's classes do not have, where it lacks it."""
        return loaded

    @property
    def _numbers(self) -> Collection[str]:
        """The keys of a parameter's state that hold single numbers, whatever its type."""
        return ("step",)

    def _update(self) -> None:
        """Move every parameter that has a gradient by one step."""
        raise NotImplementedError

    @torch._disable_dynamo
    def _trace(self) -> None:
        """The same under torch.compile: a break of the graph, unless a class knows better."""
        self._update()

    def _renamed(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings under their own names where another was used."""
        return settings

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; settings it does not name are those the optimizer was made with."""
        if isinstance(param_group, dict):
            param_group = {**self._filter_of_others(param_group), **self._renamed(param_group)}
            self._check({**self.defaults, **param_group})
        super().add_param_group(param_group)
        try:
            decide(type(self).__name__, self.param_groups[-1])
        except BaseException:
            self.param_groups.pop()
            raise

    def _filter_of_others(self, param_group: dict[str, Any]) -> dict[str, Any]:
        """The predicate that the optimizer was made with, for a group that brings none."""
        if "decay_filter" in param_group or callable(self.defaults.get("decay_filter")):
            return {}
        if self._predicate is not None:
            return {"decay_filter": self._predicate}
        if any(isinstance(group.get("decay_filter"), list) for group in self.param_groups):
            raise ValueError(
                f"{type(self).__name__}: a new group needs its own decay_filter; the predicate "
                "that the optimizer was made with is lost in copies and files"
            )
        return {}

    def _keep_predicate(self) -> None:
        """Take a predicate out of the defaults, where a function could not be pickled."""
        if callable(self.defaults.get("decay_filter")):
            self._predicate = self.defaults["decay_filter"]
            self.defaults["decay_filter"] = None

    @staticmethod
    def profile_hook_step(func: Callable[..., Any]) -> Callable[..., Any]:
        """torch's wrapper that runs the hooks around `step`, once per step.

        torch wraps the step of every class; the hooks of a subclass whose step calls ours would
        run twice.
        """
        hooked = torch.optim.Optimizer.profile_hook_step(func)

        @functools.wraps(func)
        def step(self: BaseOptimizer, *args: Any, **kwargs: Any) -> Any:
            if self._is_stepping:
                return func(self, *args, **kwargs)
            self._is_stepping = True
            try:
                return hooked(self, *args, **kwargs)
            finally:
                self._is_stepping = False

        return step

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
        if torch.compiler.is_compiling():
            self._trace()
        else:
            self._update()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any], strict: bool = True) -> None:
        """Load a state_dict of ours or of torch's class of the same name.

        Where both sides have the parameters' names, states go by name, whatever the order; with
        `strict`, a name missing on either side is an error, without it what fits is loaded and the
        rest stays. A state in a wider type than its parameter keeps it; torch would narrow it.
        """

        def remember(_: Any, given: dict[str, Any]) -> dict[str, Any]:  # after the user's own hooks
            named = by_name(type(self).__name__, given, self.param_groups, self.state, strict)
            self._loading = self._with_own(named)
            return self._loading

        handle = self.register_load_state_dict_pre_hook(remember)
        try:
            super().load_state_dict(state_dict)
        finally:
            handle.remove()
            self._loading = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        torch.optim.Optimizer.__setstate__(self, state)
        for group in self.param_groups:
            self._complete(group)
        if self._loading is not None:
            restore_types(self.param_groups, self.state, self._loading, self._numbers)
