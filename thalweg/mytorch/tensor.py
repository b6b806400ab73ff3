"""A tensor that knows what it was computed from: reverse-mode differentiation of NumPy arrays."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

__all__ = ["Pullback", "Tensor", "as_tensor", "no_grad", "record"]

# From the gradient of a result to the gradient of one of its parents.
Pullback = Callable[[np.ndarray], np.ndarray]

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

_recording: ContextVar[bool] = ContextVar("recording", default=True)
_numbers = count(1)


@contextmanager
def no_grad() -> Iterator[None]:
    """Compute without remembering how: `with no_grad():`, or `@no_grad()` over a function."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


class Tensor:
    """An array of numbers that may want a gradient.

    The result of an op remembers its parents, each with a pullback: the function from the gradient
    of the result to that of the parent. `backward()` goes from a result through all it was computed
    from, the latest first, and adds to `grad` of every leaf that has `requires_grad`.

    `data` is the array itself, not a copy: what is written into it between the forward and the
    backward pass makes the gradients wrong. Numbers and lists become float32; an array keeps its
    type, which is float32, float64, an integer or bool, and only the first two have gradients.
    """

    # `array + tensor` asks the tensor, where NumPy would make an array of tensors.
    __array_ufunc__ = None

    data: np.ndarray

    def __init__(
        self, data: ArrayLike, *, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> None:
        array = np.asarray(data, dtype)
        if dtype is None and array.dtype == np.float64 and _is_untyped(data):
            array = array.astype(np.float32)
        if array.dtype not in _FLOATS:
            if array.dtype.kind not in "biu":
                raise TypeError(
                    f"Tensor: data must be float32, float64, integers or bool, got {array.dtype}"
                )
            if requires_grad:
                raise TypeError(f"Tensor: only floats have gradients, got {array.dtype}")
        self.data = array
        self.grad: np.ndarray | None = None
        self.requires_grad = requires_grad
        self._op = ""
        self._number = 0
        # No parents: a leaf. None: a result whose parents a backward pass has let go.
        self._parents: tuple[tuple[Tensor, Pullback], ...] | None = ()

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return self.data.ndim

    def __len__(self) -> int:
        return len(self.data)

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return float(self.data)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        array = np.asarray(self.data, dtype)
        return array.copy() if copy and array is self.data else array

    def __repr__(self) -> str:
        values = np.array2string(self.data, separator=", ", prefix="Tensor(", threshold=100)
        origin = f", from {self._op}" if self._op else ""
        wants = ", requires_grad=True" if self.requires_grad and not self._op else ""
        return f"Tensor({values}, {self.dtype}{origin}{wants})"

    def item(self) -> Any:
        """The one number of a tensor of size 1, as Python's."""
        return self.data.item()

    def numpy(self) -> np.ndarray:
        """The array itself: `data` under torch's name."""
        return self.data

    def detach(self) -> "Tensor":
        """The same array, without its history."""
        return Tensor(self.data)

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    def backward(self, gradient: ArrayLike | None = None) -> None:
        """Add the derivative of this tensor, times `gradient`, to `grad` of its leaves.

        One number needs no `gradient`: it is 1. The history is let go on the way, so there is one
        backward for each forward. Every `grad` is C-contiguous, has its leaf's type, and is
        shared with nothing.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward: nothing that this tensor was computed from has requires_grad=True, or "
                "it was computed under no_grad()"
            )
        seed = self._seed(gradient)
        if self._parents == ():
            self._accumulate(seed)
            return
        gradients = {self: seed}
        for result in self._history():
            arrived = gradients.pop(result)
            parents, result._parents = result._parents, None
            for parent, pullback in parents or ():
                part = pullback(arrived)
                if parent._parents == ():
                    parent._accumulate(part, is_its_own=part is not arrived and part.base is None)
                elif parent in gradients:
                    gradients[parent] = gradients[parent] + part
                else:
                    gradients[parent] = part

    def _seed(self, gradient: ArrayLike | None) -> np.ndarray:
        if gradient is None:
            if self.data.size != 1:
                raise RuntimeError(
                    f"backward: a tensor of shape {self.shape} needs a gradient to start from; "
                    "only one number does without"
                )
            return np.ones_like(self.data)
        seed = np.asarray(gradient, self.dtype)
        if seed.shape != self.shape:
            raise ValueError(
                f"backward: the gradient must have the tensor's shape {self.shape}, "
                f"got {seed.shape}"
            )
        return seed

    def _history(self) -> list["Tensor"]:
        """Every result this one was computed from, and itself, the latest first."""
        found, ahead = {self}, [self]
        while ahead:
            result = ahead.pop()
            if result._parents is None:
                raise RuntimeError(
                    f"backward: an earlier backward has let go of what {result._op!r} was computed "
                    "from; compute it again, or add the losses and call backward once"
                )
            parents = [p for p, _ in result._parents if p._parents != () and p not in found]
            found.update(parents)
            ahead.extend(parents)
        return sorted(found, key=lambda result: result._number, reverse=True)

    def _accumulate(self, part: np.ndarray, is_its_own: bool = False) -> None:
        if self.grad is not None:
            self.grad += part
        elif is_its_own and part.dtype == self.dtype and part.flags.c_contiguous:
            self.grad = np.asarray(part)
        else:
            self.grad = np.array(part, self.dtype, order="C")

    def __add__(self, other: Any) -> "Tensor":
        a, b = self, _operand(other, self)
        data = _elementwise("add", np.add, a, b)
        return record("add", data, (a, lambda g: _sum_to(g, a)), (b, lambda g: _sum_to(g, b)))

    def __sub__(self, other: Any) -> "Tensor":
        a, b = self, _operand(other, self)
        data = _elementwise("subtract", np.subtract, a, b)
        return record("subtract", data, (a, lambda g: _sum_to(g, a)), (b, lambda g: -_sum_to(g, b)))

    def __mul__(self, other: Any) -> "Tensor":
        a, b = self, _operand(other, self)
        return record(
            "multiply",
            _elementwise("multiply", np.multiply, a, b),
            (a, lambda g: _sum_to(g * b.data, a)),
            (b, lambda g: _sum_to(g * a.data, b)),
        )

    def __truediv__(self, other: Any) -> "Tensor":
        a, b = self, _operand(other, self)
        data = _elementwise("divide", np.divide, a, b)
        return record(
            "divide",
            data,
            (a, lambda g: _sum_to(g / b.data, a)),
            (b, lambda g: _sum_to(-g * data / b.data, b)),
        )

    def __pow__(self, exponent: float) -> "Tensor":
        if not _is_number(exponent):
            raise TypeError(f"power: the exponent must be a number, got {exponent!r}")
        exponent = exponent if isinstance(exponent, int) else float(exponent)

        def pull(g: np.ndarray) -> np.ndarray:
            if exponent == 0:  # 0 x^-1 is no number at x = 0
                return np.zeros_like(g)
            return g * (exponent * self.data ** (exponent - 1))

        return record("power", self.data**exponent, (self, pull))

    def __neg__(self) -> "Tensor":
        return record("negate", -self.data, (self, lambda g: -g))

    def __radd__(self, other: Any) -> "Tensor":
        return self + other

    def __rsub__(self, other: Any) -> "Tensor":
        return _operand(other, self) - self

    def __rmul__(self, other: Any) -> "Tensor":
        return self * other

    def __rtruediv__(self, other: Any) -> "Tensor":
        return _operand(other, self) / self

    def __iadd__(self, other: Any) -> "Tensor":
        return self._written(np.add, other)

    def __isub__(self, other: Any) -> "Tensor":
        return self._written(np.subtract, other)

    def __imul__(self, other: Any) -> "Tensor":
        return self._written(np.multiply, other)

    def __itruediv__(self, other: Any) -> "Tensor":
        return self._written(np.divide, other)

    def _written(self, function: np.ufunc, other: Any) -> Any:
        """`leaf -= rate * leaf.grad` writes into the leaf; any other `a -= b` is `a = a - b`."""
        if not self.requires_grad or self._parents != ():
            return NotImplemented
        if _recording.get():
            raise RuntimeError(
                "a tensor that wants a gradient can be changed in place only under no_grad()"
            )
        function(self.data, _operand(other, self).data, out=self.data)
        return self

    def __matmul__(self, other: Any) -> "Tensor":
        """The matrix product over the last two axes; the axes before them broadcast."""
        a, b = self, as_tensor(other)
        if a.ndim == 0 or b.ndim == 0 or a.shape[-1] != b.shape[max(b.ndim - 2, 0)]:
            raise ValueError(f"matmul: shapes {a.shape} and {b.shape} do not fit")
        if a.ndim == 1:
            product = a.reshape(1, -1) @ (b if b.ndim > 1 else b.reshape(-1, 1))
            return product.reshape(b.shape[:-2] + b.shape[1:][-1:])
        if b.ndim == 1:
            return (a @ b.reshape(-1, 1)).reshape(a.shape[:-1])
        return record(
            "matmul",
            _elementwise("matmul", np.matmul, a, b),
            (a, lambda g: _sum_to(g @ b.data.swapaxes(-1, -2), a)),
            (b, lambda g: _sum_to(a.data.swapaxes(-1, -2) @ g, b)),
        )

    def __rmatmul__(self, other: Any) -> "Tensor":
        return as_tensor(other) @ self

    def exp(self) -> "Tensor":
        data = np.exp(self.data)
        return record("exp", data, (self, lambda g: g * data))

    def log(self) -> "Tensor":
        return record("log", np.log(self.data), (self, lambda g: g / self.data))

    def sqrt(self) -> "Tensor":
        data = np.sqrt(self.data)
        return record("sqrt", data, (self, lambda g: g / (2 * data)))

    def sum(self, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> "Tensor":
        try:
            data = self.data.sum(axis=dim, keepdims=keepdim)
        except ValueError:
            raise ValueError(f"sum: shape {self.shape} has no axis {dim}") from None

        def spread(g: np.ndarray) -> np.ndarray:
            kept = g if keepdim or dim is None else np.expand_dims(g, dim)
            return np.broadcast_to(kept, self.shape)

        return record("sum", data, (self, spread))

    def mean(self, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> "Tensor":
        total = self.sum(dim, keepdim)
        return total / (self.data.size / max(total.data.size, 1))

    def reshape(self, *shape: int | tuple[int, ...]) -> "Tensor":
        """The same numbers in another shape: `x.reshape(2, -1)` or `x.reshape((2, -1))`."""
        wanted = shape[0] if len(shape) == 1 else shape
        try:
            data = self.data.reshape(wanted)
        except ValueError:
            raise ValueError(f"reshape: shape {self.shape} does not fit {wanted}") from None
        return record("reshape", data, (self, lambda g: g.reshape(self.shape)))

    def transpose(self, dim0: int, dim1: int) -> "Tensor":
        """Two axes exchanged, as in torch."""
        for dim in (dim0, dim1):
            if not -self.ndim <= dim < self.ndim:
                raise ValueError(f"transpose: shape {self.shape} has no axis {dim}")
        data = self.data.swapaxes(dim0, dim1)
        return record("transpose", data, (self, lambda g: g.swapaxes(dim0, dim1)))

    @property
    def T(self) -> "Tensor":
        """A matrix transposed."""
        if self.ndim != 2:
            raise ValueError(f"T: the tensor must be a matrix, got shape {self.shape}")
        return self.transpose(0, 1)

    def __getitem__(self, index: Any) -> "Tensor":
        parts = index if isinstance(index, tuple) else (index,)
        key = tuple(p.data if isinstance(p, Tensor) else p for p in parts)

        def scatter(g: np.ndarray) -> np.ndarray:
            whole = np.zeros_like(self.data, order="C")
            if any(isinstance(part, np.ndarray | list) for part in key):
                np.add.at(whole, key, g)  # an element that was taken twice gets both gradients
            else:
                whole[key] = g
            return whole

        return record("index", self.data[key], (self, scatter))


def as_tensor(value: Any) -> Tensor:
    """The tensor itself, or one made of an array, a list or a number."""
    return value if isinstance(value, Tensor) else Tensor(value)


def record(op: str, data: np.ndarray, *parents: tuple[Tensor, Pullback]) -> Tensor:
    """Make the result of an op, which remembers those of its parents that want a gradient.

    A pullback is called at most once and only if it is needed. It may give back its argument or a
    view of it, but not write into it, nor give back an array that something else holds.
    """
    result = Tensor(data)
    if _recording.get():
        wanting = tuple(entry for entry in parents if entry[0].requires_grad)
        if wanting:
            result.requires_grad = True
            result._op, result._number, result._parents = op, next(_numbers), wanting
    return result


def _is_untyped(data: Any) -> bool:
    """Python's own numbers and lists of them have no type that ought to be kept."""
    return isinstance(data, int | float | list | tuple) and not isinstance(data, np.generic)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating)


def _operand(value: Any, other: Tensor) -> Tensor:
    """The second operand; a number takes the type of the first one."""
    if _is_number(value):
        return Tensor(value, dtype=other.dtype if other.dtype in _FLOATS else None)
    return as_tensor(value)


def _elementwise(op: str, function: np.ufunc, a: Tensor, b: Tensor) -> np.ndarray:
    try:
        return function(a.data, b.data)
    except ValueError:
        raise ValueError(f"{op}: shapes {a.shape} and {b.shape} do not broadcast") from None


def _sum_to(gradient: np.ndarray, parent: Tensor) -> np.ndarray:
    """Undo broadcasting: sum over the axes along which the parent was repeated."""
    if gradient.shape == parent.shape:
        return gradient
    added = gradient.ndim - parent.ndim
    repeated = tuple(i + added for i, size in enumerate(parent.shape) if size == 1)
    summed = gradient.sum(axis=(*range(added), *repeated), keepdims=True)
    return summed.reshape(parent.shape)
