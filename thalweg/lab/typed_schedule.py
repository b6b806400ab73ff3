"""Reads a schedule as it is typed: an expression of `thalweg.schedules`, or torch's schedulers.

Only what builds a schedule is read: numbers, lists, the names of schedules and schedulers, `>>`,
`*`, and functions of the step for `LambdaLR`. A scheduler is written as in a program, with or
without its optimizer: `StepLR(30, gamma=0.1)`, `lr_scheduler.StepLR(optimizer, 30)`.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg import schedules
from thalweg.lab.errors import UserError
from thalweg.schedules import PerGroup, Schedule

__all__ = ["Typed", "read_schedule"]

_FUNCTIONS: Mapping[str, Any] = {name: getattr(math, name) for name in ("cos", "exp", "log", "pi")}
_FUNCTIONS |= {"abs": abs, "max": max, "min": min, "sin": math.sin, "sqrt": math.sqrt}  # type: ignore[operator]

_OPTIMIZER = ("optimizer", "opt")
_PREFIX = re.compile(r"\b(?:torch\.|thalweg\.|mytorch\.|optim\.|lr_scheduler\.|swa_utils\.)+")

_GIVEN_OPTIMIZER = re.compile(r"\((?:optimizer|opt)\b(?:,\s*)?")

# how many times the longest stretch that is written is worth looking at, where nothing ends
_ENDLESS = {"StepLR": 3.5, "CosineAnnealingLR": 2, "CyclicLR": 4, "CosineAnnealingWarmRestarts": 4}
_ENDLESS |= {"ReduceLROnPlateau": 5, "ExponentialLR": 1}
_A_LITTLE_MORE = 1.25

_ALLOWED = (
    ast.Expression,
    ast.Call,
    ast.keyword,
    ast.Name,
    ast.Load,
    ast.Constant,
    ast.List,
    ast.Tuple,
    ast.BinOp,
    ast.UnaryOp,
    ast.operator,
    ast.unaryop,
    ast.Lambda,
    ast.arguments,
    ast.arg,
    ast.IfExp,
    ast.Compare,
    ast.cmpop,
)


@dataclass(frozen=True)
class _Wanted:
    """A scheduler that is to be made when there is an optimizer."""

    kind: Callable[..., Any]
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]

    def made(self, opt: Any) -> Any:
        """The scheduler on this optimizer, and those inside it."""
        arguments = [_made(one, opt) for one in self.arguments]
        named = {key: _made(one, opt) for key, one in self.named.items()}
        if next(iter(inspect.signature(self.kind).parameters)) == "optimizer":
            return self.kind(opt, *arguments, **named)
        return self.kind(*arguments, **named)


def _made(value: Any, opt: Any) -> Any:
    if isinstance(value, _Wanted):
        return value.made(opt)
    return [_made(one, opt) for one in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Typed:
    """A schedule that was typed: its text, what it is, and the steps that are worth looking at."""

    text: str
    what: Any
    steps: int

    def values(self, steps: int, lr: float) -> NDArray[np.float64]:
        """The first `steps` values: a row for each step, a column for each group."""
        if isinstance(self.what, Schedule | PerGroup):
            shown: NDArray[np.float64] = self.what.preview(steps, lr)
            return shown.reshape(steps, -1)
        found: NDArray[np.float64] = self.what.made(_optimizer(lr)).preview(steps)
        return found


def read_schedule(text: str, **words: float) -> Typed:
    """The schedule that a text says, in which `words` stand for numbers; UserError says what in it
    is not one.

        read_schedule("warmup(0.1 * steps) >> cosine(0.9 * steps)", steps=1000).what
    """
    plain = _PREFIX.sub("", text.strip())
    try:
        tree = ast.parse(plain, mode="eval")
    except (SyntaxError, ValueError):
        raise UserError(
            f"{text!r} is not a schedule; write one as 'warmup(500) >> cosine(10000)' or "
            "'StepLR(30, gamma=0.1)'"
        ) from None
    names = {**_names(), **words}
    _check(text, tree, names)
    try:
        what = eval(compile(tree, "<schedule>", "eval"), {"__builtins__": {}, **names})
    except (TypeError, ValueError, ArithmeticError) as error:
        raise _refused(text, error) from None
    if isinstance(what, _Wanted):
        _try(text, what)
    elif not isinstance(what, Schedule | PerGroup):
        raise UserError(f"{text}: must be a schedule or a scheduler, got {what!r}")
    return Typed(_GIVEN_OPTIMIZER.sub("(", plain), what, _steps(what, tree))


def _check(text: str, tree: ast.Expression, names: Mapping[str, Any]) -> None:
    """Refuse what is no part of a schedule, and names that nothing has."""
    lambdas = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    own = {argument.arg for node in lambdas for argument in node.args.args}
    known = {*names, *own}
    for node in ast.walk(tree):
        is_lasting = isinstance(node, ast.Attribute) and node.attr == "lasting"
        if not (isinstance(node, _ALLOWED) or is_lasting):
            said = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
            raise UserError(f"{text}: {said!r} is no part of a schedule")
        if isinstance(node, ast.Name) and node.id not in known:
            shown = [name for name in known if name not in _OPTIMIZER]
            close = difflib.get_close_matches(node.id, shown, 1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise UserError(
                f"no schedule is called {node.id!r}{hint}; `thalweg list schedules` and "
                "`thalweg list schedulers` have every name"
            )


def _optimizer(lr: float) -> Any:
    """One for a scheduler to move; of mytorch, which asks for no framework."""
    from thalweg.mytorch import optim
    from thalweg.mytorch.nn import Parameter

    return optim.SGD([Parameter(np.zeros(1))], lr=lr, momentum=0.9)


def _names() -> dict[str, Any]:
    """What a text may call, and what its functions of the step may use."""
    from thalweg.mytorch.optim import lr_scheduler

    curves = {name: getattr(schedules, name) for name in schedules.__all__ if name.islower()}
    kinds = [getattr(lr_scheduler, name) for name in lr_scheduler.__all__ if name != "LRScheduler"]
    makers = {kind.__name__: _maker(kind) for kind in kinds}
    return {**_FUNCTIONS, **curves, **makers, **dict.fromkeys(_OPTIMIZER, _OPTIMIZER)}


def _maker(kind: Any) -> Callable[..., _Wanted]:
    name = kind.__name__
    taken = {n: p for n, p in inspect.signature(kind).parameters.items() if n != "optimizer"}

    def made(*arguments: Any, **named: Any) -> _Wanted:
        arguments = tuple(one for one in arguments if one is not _OPTIMIZER)
        named = {key: one for key, one in named.items() if one is not _OPTIMIZER}
        try:
            inspect.Signature(list(taken.values())).bind(*arguments, **named)
        except TypeError as error:
            raise TypeError(f"{name}: {error}; it takes {', '.join(taken)}") from None
        return _Wanted(kind, arguments, named)

    return made


def _try(text: str, what: _Wanted) -> None:
    """Make the scheduler once: it checks its arguments."""
    try:
        what.made(_optimizer(1.0))
    except (TypeError, ValueError, ArithmeticError) as error:
        raise _refused(text, error) from None


def _refused(text: str, error: Exception) -> UserError:
    """What a schedule or a scheduler says itself, which names it, or else the text in front."""
    said = str(error)
    return UserError(said if re.match(r"[A-Za-z_]+: ", said) else f"{text}: {said}")


def _steps(what: Any, tree: ast.Expression) -> int:
    """How many steps show what it does: to a little past its end, or a few times around."""
    whole = what.schedules if isinstance(what, PerGroup) else [what]
    ends = [one.duration for one in whole if isinstance(one, Schedule)]
    if ends and max(ends) < math.inf:
        return math.ceil(1.05 * max(ends)) + 1
    numbers = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
    longest = max((n for n in numbers if isinstance(n, int) and n > 1), default=0)
    if not longest:
        return 100
    kind = what.kind.__name__ if isinstance(what, _Wanted) else ""
    return math.ceil(_ENDLESS.get(kind, 3 if ends else _A_LITTLE_MORE) * longest) + 1
