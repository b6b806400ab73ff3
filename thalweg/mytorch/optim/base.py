"""What every optimizer of NumPy parameters has, whatever its step is: groups, and gradients to be
forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any, ClassVar

from thalweg.border.groups import model_of
from thalweg.mytorch.graph import enable_grad
from thalweg.mytorch.nn import Module, Parameter

__all__ = ["BaseOptimizer", "as_groups", "evaluated", "unnamed"]


class BaseOptimizer:
    """An optimizer of NumPy parameters: `param_groups`, `state` by parameter, `defaults`."""

    needs_closure: ClassVar[bool] = False
    """Whether a step evaluates the loss itself, as often as it has to."""

    defaults: dict[str, Any]
    param_groups: list[dict[str, Any]]
    state: dict[Parameter, dict[str, Any]]

    @property
    def _title(self) -> str:
        """The name in errors."""
        raise NotImplementedError

    def _joined(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """A group with its parameters in a list, and their names where they have any."""
        names, params = unnamed(self._title, group["params"])
        if len(set(params)) < len(params):
            raise ValueError(f"{self._title}: a parameter comes twice in a group")
        if not set(params).isdisjoint(self._params()):
            raise ValueError(f"{self._title}: a parameter is in more than one group")
        return {**group, "params": params, **({"param_names": names} if names else {})}

    def _check_group(self, group: Any) -> None:
        """Raise for what is no group."""
        if not isinstance(group, Mapping):
            raise TypeError(f"{self._title}: a group must be a dict, got {type(group).__name__}")
        if "params" not in group:
            raise ValueError(f"{self._title}: a group must have 'params', got {sorted(group)}")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients; with `set_to_none=False`, fill them with zeros."""
        for p in self._params():
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                p.grad.fill(0)

    def _params(self) -> list[Parameter]:
        return [p for group in self.param_groups for p in group["params"]]

    def __repr__(self) -> str:
        lines = [f"{self._title} ("]
        for i, group in enumerate(self.param_groups):
            shown = {k: v for k, v in group.items() if k not in ("params", "param_names")}
            settings = ", ".join(f"{k}={v!r}" for k, v in shown.items())
            lines.append(f"  group {i}: {len(group['params'])} parameters, {settings}")
        return "\n".join([*lines, ")"])


def evaluated(closure: Callable[[], Any]) -> Any:
    """What a closure returns, with gradients on also under `no_grad()`."""
    with enable_grad():
        return closure()


def as_groups(title: str, params: Any) -> list[dict[str, Any]]:
    """What a user hands in, as groups."""
    model = model_of(params, Module)
    if model is not None and any(True for _ in model.parameters()):
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


def unnamed(title: str, params: Any) -> tuple[list[str], list[Parameter]]:
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
