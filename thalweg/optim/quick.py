"""A step, or `zero_grad`, without torch's wrapper around it, where nobody would see the difference.

The wrapper marks a range for profilers and runs hooks; on a small network it takes as long as the
step itself. Where there are no hooks, and no profiler or mode is on, a range of torch's cheaper
kind is left, for whoever listens behind all of Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import optimizer as torchs

__all__ = ["quick", "without_gradients"]

_Range: Any = getattr(getattr(torch._C, "_profiler", None), "_RecordFunctionFast", None)
_is_profiled: Any = getattr(torch.autograd, "_profiler_enabled", None)
_modes: Any = getattr(torch._C, "_len_torch_dispatch_stack", None)
_functions: Any = getattr(torch._C, "_len_torch_function_stack", None)
_before = getattr(torchs, "_global_optimizer_pre_hooks", None)
_after = getattr(torchs, "_global_optimizer_post_hooks", None)
_KNOWN = None not in (_Range, _is_profiled, _modes, _functions, _before, _after)


def quick(
    func: Callable[..., Any], hooked: Callable[..., Any]
) -> Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]:
    """`func`, called with what it is given, as `hooked` runs it: by `hooked` itself, unless there
    is nothing that it would do."""
    if not _KNOWN:  # another torch
        return lambda self, args, kwargs: hooked(self, *args, **kwargs)

    def step(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if (
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or _before
            or _after
            or _is_profiled()
            or _modes()
            or _functions()
        ):
            return hooked(self, *args, **kwargs)
        with _Range(f"Optimizer.step#{self.__class__.__name__}.step"):
            # to hand on nothing by * and ** takes longer than a call
            result = func(self, *args, **kwargs) if args or kwargs else func(self)
        self._optimizer_step_code()
        return result

    return step


def _is_seen() -> bool:
    """Whether a profiler or a mode is on."""
    return bool(_is_profiled() or _modes() or _functions())


def without_gradients(opt: Any) -> bool:
    """Take the gradients of all parameters away, unless somebody would see how."""
    if not _KNOWN or torch.compiler.is_compiling() or _is_seen():
        return False
    with _Range(f"Optimizer.zero_grad#{opt.__class__.__name__}.zero_grad"):
        for group in opt.param_groups:
            for p in group["params"]:
                p.grad = None
    return True
