"""What was computed from what: results remember their parents, and a backward pass finds them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ContextDecorator, contextmanager
from contextvars import ContextVar
from functools import wraps
from itertools import count
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from thalweg.mytorch.tensor import Tensor

__all__ = [
    "FLOATS",
    "Memory",
    "Node",
    "Pullback",
    "Recorded",
    "as_tensor",
    "enable_grad",
    "is_grad_enabled",
    "no_grad",
    "plain",
    "quiet",
    "record",
    "record_linear",
    "result_class",
    "view_of",
]

# From the gradient of a result to the gradient of one of its parents.
Pullback = Callable[[np.ndarray], np.ndarray]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

_Class = TypeVar("_Class", bound=type)
_Function = TypeVar("_Function", bound=Callable[..., Any])

_recording: ContextVar[bool] = ContextVar("recording", default=True)

# One count for all that happens: what was computed, and what was written into.
_numbers = count(1)
_last_change = 0

# The class of results, which is declared upon this file.
_Result: Any = None


def result_class(cls: _Class) -> _Class:
    """Say what ops give back: a decorator, for Tensor alone."""
    global _Result
    _Result = cls
    return cls


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without remembering how: `with no_grad():`, or `@no_grad()` over a function."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


@contextmanager
def enable_grad() -> Iterator[None]:
    """Remember again, inside `no_grad()`."""
    token = _recording.set(True)
    try:
        yield
    finally:
        _recording.reset(token)


def is_grad_enabled() -> bool:
    """Whether results remember what they are computed from, just now."""
    return _recording.get()


def quiet(function: _Function) -> _Function:
    """Let a function compute infinity and NaN without NumPy's warnings, as torch does.

    One warning of each op of a training that diverges is a screen of them; `backward` says it once.
    """
    silence = {"over": "ignore", "invalid": "ignore", "divide": "ignore"}
    if not issubclass(np.errstate, ContextDecorator):
        return np.errstate(**silence)(function)  # type: ignore[arg-type]

    @wraps(function)
    def quietly(*args: Any, **kwargs: Any) -> Any:
        # before NumPy 2 the decorator forgets what was before, if it is entered again within
        with np.errstate(**silence):  # type: ignore[arg-type]
            return function(*args, **kwargs)

    return quietly  # type: ignore[return-value]


class Node:
    """One op that was computed: its parents that want a gradient, each with its pullback.

    A parent is the node that made it, or a leaf. None: a backward pass has let them go.
    """

    __slots__ = ("inputs", "number", "op", "parents")

    def __init__(self, op: str, parents: Any, inputs: Any) -> None:
        self.op, self.parents = op, parents
        self.number = next(_numbers)
        # all operands, if the pullbacks need their numbers: they must still be the same then
        self.inputs = inputs


class Memory:
    """What several tensors look into, and when something was last written there."""

    __slots__ = ("written",)

    def __init__(self) -> None:
        self.written = 0


class Recorded:
    """An array in a graph: what it was computed from, and the way back to the leaves."""

    data: np.ndarray
    grad: np.ndarray | None = None
    requires_grad: bool = False

    _node: Node | None = None
    # When its array was last changed by other ways than `data`.
    _changed = 0
    # The memory that it shares with others, and whether it is they that made it.
    _memory_shared: Memory | None = None
    _is_view = False
    # Whether somebody has heard that a loss which depends on this leaf is NaN.
    _told_of_nan = False

    @property
    def is_leaf(self) -> bool:
        """Whether nothing is remembered of how it was computed: gradients stay here."""
        return self._node is None

    def backward(self, gradient: ArrayLike | None = None) -> None:
        """Add the derivative of this tensor, times `gradient`, to `grad` of its leaves.

        One number needs no `gradient`: it is 1. The history is let go on the way, so there is one
        backward for each forward. Every `grad` is C-contiguous, has its leaf's type, and is
        shared with nothing. Of a loss that is NaN, this says so: once for each model.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward: nothing that this tensor was computed from has requires_grad=True, or "
                "it was computed under no_grad()"
            )
        seed = self._seed(gradient)
        if self._node is None:
            _accumulate(self, seed)
            return
        history = _history(self._node)
        if gradient is None and _is_nan(self.data.item()) and _is_news(history):
            warnings.warn(_NAN, RuntimeWarning, stacklevel=2)
        _go_back(history, {self._node: seed})

    def _seed(self, gradient: ArrayLike | None) -> np.ndarray:
        if gradient is None:
            if self.data.size != 1:
                raise RuntimeError(
                    f"backward: a tensor of shape {self.data.shape} needs a gradient to start "
                    "from; only one number does without"
                )
            one = np.empty(self.data.shape, self.data.dtype)
            one.fill(1)
            return one
        seed = np.asarray(gradient, self.data.dtype)
        if seed.shape != self.data.shape:
            raise ValueError(
                f"backward: the gradient must have the tensor's shape {self.data.shape}, "
                f"got {seed.shape}"
            )
        return seed

    def _has_changed(self) -> None:
        """Remember that something was written into the memory of this tensor."""
        global _last_change
        self._changed = _last_change = next(_numbers)
        if self._memory_shared is not None:
            self._memory_shared.written = _last_change

    def _continue_from(self, op: str, *parents: tuple[Recorded, Pullback]) -> None:
        """Be the result of an op from here on, with another array, without leaving one's place."""
        global _last_change
        wanting = [(p._node or p, pullback) for p, pullback in parents if p.requires_grad]
        self._node = Node(op, wanting, ())
        self.requires_grad = True
        self._changed = _last_change = self._node.number

    def _looks_into(self, other: Recorded) -> None:
        """Share the memory of another: what is written into one has changed both."""
        if other._memory_shared is None:
            other._memory_shared = Memory()
        self._memory_shared, self._is_view = other._memory_shared, True


def _history(node: Node) -> list[Node]:
    """Every node that this one was computed from, and itself, the latest first."""
    found, ahead = {node}, [node]
    while ahead:
        node = ahead.pop()
        if node.parents is None:
            raise RuntimeError(
                f"backward: an earlier backward has let go of what {node.op!r} was computed "
                "from; compute it again, or add the losses and call backward once"
            )
        if _last_change > node.number:
            _check_unchanged(node)
        for parent, _ in node.parents:
            if type(parent) is Node and parent not in found:
                found.add(parent)
                ahead.append(parent)
    return sorted(found, key=_number_of, reverse=True)


_number_of = attrgetter("number")


@quiet
def _go_back(history: list[Node], gradients: dict[Node, np.ndarray]) -> None:
    for node in history:
        arrived = gradients.pop(node)
        parents, node.parents, node.inputs = node.parents, None, ()
        for parent, pullback in parents:
            part = pullback(arrived)
            if type(parent) is not Node:
                _accumulate(parent, part, is_its_own=part is not arrived and part.base is None)
            elif parent in gradients:
                gradients[parent] = gradients[parent] + part
            else:
                gradients[parent] = part


def _accumulate(leaf: Recorded, part: np.ndarray, is_its_own: bool = False) -> None:
    if leaf.grad is not None:
        leaf.grad += part
    elif is_its_own and part.dtype == leaf.data.dtype and part.flags.c_contiguous:
        leaf.grad = part if type(part) is np.ndarray else np.asarray(part)
    else:
        leaf.grad = np.array(part, leaf.data.dtype, order="C")


def _check_unchanged(node: Node) -> None:
    for operand, _ in node.inputs:
        memory = operand._memory_shared
        if max(operand._changed, memory.written if memory else 0) > node.number:
            raise RuntimeError(
                f"backward: something was written into a tensor after {node.op!r} was computed "
                "from it, so its gradient would be wrong; write into a clone() of it"
            )


_NAN = (
    "backward: the loss is NaN, and after one more step all weights are. A smaller learning rate, "
    "gradients that are clipped, or a look for NaN, log(0) and 0 / 0 in what goes in may help. "
    "This is said once for each model"
)


def _is_nan(number: float) -> bool:
    return number != number


def _is_news(history: list[Node]) -> bool:
    """Whether no leaf behind a loss has been there when NaN was told of; now they all have."""
    leaves = [p for node in history for p, _ in node.parents if type(p) is not Node]
    is_news = not any([leaf._told_of_nan for leaf in leaves])
    for leaf in leaves:
        leaf._told_of_nan = True
    return is_news


def as_tensor(value: Any) -> Tensor:
    """The tensor itself, or one made of an array, a list or a number."""
    return value if isinstance(value, Recorded) else _Result(value)  # type: ignore[return-value]


def plain(array: np.ndarray) -> Tensor:
    """A tensor of an array whose type is known to be right."""
    made: Tensor = _Result.__new__(_Result)
    made.data = array
    return made


def record(op: str, data: np.ndarray, *parents: tuple[Recorded, Pullback]) -> Tensor:
    """Make the result of an op, which remembers those of its parents that want a gradient.

    A pullback is called at most once and only if it is needed. It may give back its argument or a
    view of it, but not write into it, nor give back an array that something else holds.
    """
    result: Tensor = _Result.__new__(_Result)
    result.data = data if type(data) is np.ndarray else np.asarray(data)
    if _recording.get():
        wanting = [(p._node or p, pullback) for p, pullback in parents if p.requires_grad]
        if wanting:
            result.requires_grad = True
            result._node = Node(op, wanting, parents)
    return result


def record_linear(op: str, data: np.ndarray, *parents: tuple[Recorded, Pullback]) -> Tensor:
    """`record` for an op whose pullbacks need no number of its parents: those may change."""
    result = record(op, data, *parents)
    if result._node is not None:
        result._node.inputs = ()
    return result


def view_of(op: str, x: Recorded, data: np.ndarray, pullback: Pullback) -> Tensor:
    """`record_linear` for an array that may look into the memory of its one parent."""
    result = record_linear(op, data, (x, pullback))
    if data.base is not None and (data.base is x.data or data.base is x.data.base):
        result._looks_into(x)
    return result
