"""A tensor that knows what it was computed from: reverse-mode differentiation of NumPy arrays."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from thalweg.mytorch import (
    activating,
    casting,
    indexing,
    joining,
    operators,
    ordering,
    pointwise,
    reductions,
    shapes,
)
from thalweg.mytorch.graph import (
    FLOATS,
    Pullback,
    Recorded,
    as_tensor,
    no_grad,
    record,
    result_class,
)
from thalweg.mytorch.numpy_calls import WAY_OUT, call_function, call_ufunc, cuts

__all__ = ["Pullback", "Tensor", "as_tensor", "no_grad", "record"]

# A tensor is being made of a list: what is in it would be cut off from its leaves.
_collecting: ContextVar[bool] = ContextVar("collecting", default=False)


@result_class
class Tensor(Recorded):
    """An array of numbers that may want a gradient.

    The result of an op remembers its parents, each with a pullback: the function from the gradient
    of the result to that of the parent. `backward()` goes from a result through all it was computed
    from, the latest first, and adds to `grad` of every leaf that has `requires_grad`.

    `data` is the array itself, not a copy: what is written into it between the forward and the
    backward pass makes the gradients wrong. Of Python's numbers and lists of them, floats become
    float32, whole numbers int64 and truths bool, as in torch; an array keeps its type, which is
    float32, float64, an integer or bool, and only the first two have gradients. Where two meet,
    the result has the type that torch gives it.

    `==`, `<` and the like compare element by element. As a key, in a set or a dict, a tensor is
    itself and equal to no other. NumPy's functions record where mytorch has them too; where they
    would cut the graph they raise.

    Differs: `numpy()` and `item()` need no detach() first, and `np.asarray` of a leaf does not.
    """

    def __init__(
        self,
        data: ArrayLike,
        *,
        dtype: DTypeLike | None = None,
        requires_grad: builtins.bool = False,
    ) -> None:
        array = _array_of(data, dtype)
        if array.dtype not in FLOATS:
            if array.dtype.kind not in "biu":
                raise TypeError(
                    f"Tensor: data must be float32, float64, integers or bool, got {array.dtype}"
                )
            if requires_grad:
                raise TypeError(f"Tensor: only floats have gradients, got {array.dtype}")
        self.data = array
        if requires_grad:
            self.requires_grad = True

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    @property
    def ndim(self) -> builtins.int:
        return self.data.ndim

    @property
    def device(self) -> str:
        """Always "cpu"."""
        return "cpu"

    def dim(self) -> builtins.int:
        """The number of axes: `ndim`."""
        return self.data.ndim

    def size(self, dim: builtins.int | None = None) -> Any:
        """The shape, or the length of one axis."""
        return self.data.shape if dim is None else self.data.shape[dim]

    def numel(self) -> builtins.int:
        """The number of elements."""
        return self.data.size

    def __len__(self) -> builtins.int:
        if self.data.ndim == 0:
            raise TypeError("len: a tensor of one number and no axis has no length")
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        if self.data.ndim == 0:
            raise TypeError("iteration: a tensor of one number and no axis has no elements")
        return (self[i] for i in range(len(self.data)))

    def __contains__(self, value: Any) -> builtins.bool:
        found = operators.eq(self, value)
        return found is not NotImplemented and bool(found.data.any())

    def __bool__(self) -> builtins.bool:
        if self.data.size != 1:
            raise ValueError(
                f"bool: a tensor of shape {self.shape} is neither true nor false: write "
                "(a == b).all() or .any()"
            )
        return bool(self.data.item())

    def __float__(self) -> builtins.float:
        return float(self.item())

    def __int__(self) -> builtins.int:
        return int(self.item())

    def __index__(self) -> builtins.int:
        if self.data.size != 1 or self.dtype.kind not in "iu":
            raise TypeError(
                f"index: only one whole number can be an index, got {self.dtype} of shape "
                f"{self.shape}"
            )
        return int(self.data.item())

    def __round__(self, digits: builtins.int | None = None) -> Any:
        return round(self.item(), digits) if digits is not None else round(self.item())

    def __array__(
        self, dtype: DTypeLike | None = None, copy: builtins.bool | None = None
    ) -> np.ndarray:
        if self.requires_grad and (self._node is not None or (_collecting.get() and cuts(self))):
            raise RuntimeError(f"a tensor that wants a gradient as an array: {WAY_OUT}")
        array = np.asarray(self.data, dtype)
        return array.copy() if copy and array is self.data else array

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return call_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call_function(func, args, kwargs)

    def __repr__(self) -> str:
        values = np.array2string(self.data, separator=", ", prefix="Tensor(", threshold=100)
        origin = "" if self._node is None else f", from {self._node.op}"
        wants = ", requires_grad=True" if self.requires_grad and self._node is None else ""
        return f"Tensor({values}, {self.dtype}{origin}{wants})"

    def __format__(self, spec: str) -> str:
        if self.data.ndim == 0 or (spec and self.data.size == 1):
            return format(self.data.item(), spec)
        if spec:
            raise TypeError(
                f"format: only a tensor of one number can be written as {spec!r}, got shape "
                f"{self.shape}"
            )
        return repr(self)

    def __getstate__(self) -> dict[str, Any]:
        """For copy, deepcopy and pickle."""
        if self._node is not None:
            raise RuntimeError(
                f"copy: this tensor is a result, from {self._node.op!r}, and its history stays "
                "here: only leaves can be copied and pickled; detach() it first"
            )
        shared = ("_memory_shared", "_is_view")
        return {key: value for key, value in vars(self).items() if key not in shared}

    def item(self) -> Any:
        """The one number of a tensor of size 1, as Python's."""
        if self.data.size != 1:
            raise ValueError(f"item: the tensor must be of one number, got shape {self.shape}")
        return self.data.item()

    def tolist(self) -> Any:
        """Lists of Python's numbers; of a tensor without axes, the number."""
        return self.data.tolist()

    def numpy(self) -> np.ndarray:
        """The array itself: `data` under torch's name."""
        return self.data

    def detach(self) -> Tensor:
        """The same array, without its history."""
        twin = Tensor(self.data)
        twin._looks_into(self)
        return twin

    def clone(self) -> Tensor:
        """A copy that gradients go through."""
        return record("clone", self.data.copy(), (self, lambda g: g))

    def requires_grad_(self, requires_grad: builtins.bool = True) -> Tensor:
        """Want a gradient, or no longer."""
        if not requires_grad and self._node is not None:
            raise RuntimeError("requires_grad_: a result wants a gradient; detach() it instead")
        if requires_grad and self.dtype not in FLOATS:
            raise TypeError(f"requires_grad_: only floats have gradients, got {self.dtype}")
        self.requires_grad = bool(requires_grad)
        return self

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    __hash__ = object.__hash__

    __getitem__ = indexing.get_items
    __setitem__ = indexing.set_items

    __eq__ = operators.eq
    __ne__ = operators.ne
    __lt__ = operators.lt
    __le__ = operators.le
    __gt__ = operators.gt
    __ge__ = operators.ge

    __add__ = __radd__ = operators.add
    __sub__, __rsub__ = operators.sub, operators.rsub
    __mul__ = __rmul__ = operators.mul
    __truediv__, __rtruediv__ = operators.div, operators.rdiv
    __pow__, __rpow__ = operators.pow, operators.rpow
    __matmul__, __rmatmul__ = operators.matmul, operators.rmatmul
    __and__ = __rand__ = operators.logical_and
    __or__ = __ror__ = operators.logical_or
    __xor__ = __rxor__ = operators.logical_xor
    __invert__ = operators.logical_not
    __neg__ = operators.neg
    __abs__ = pointwise.abs

    __iadd__ = operators.written(np.add)
    __isub__ = operators.written(np.subtract)
    __imul__ = operators.written(np.multiply)
    __itruediv__ = operators.written(np.divide)

    add, sub, mul, div = operators.add, operators.sub, operators.mul, operators.div
    pow, matmul, neg = operators.pow, operators.matmul, operators.neg
    eq, ne, lt = operators.eq, operators.ne, operators.lt
    le, gt, ge = operators.le, operators.gt, operators.ge
    logical_not, logical_and = operators.logical_not, operators.logical_and
    logical_or, logical_xor = operators.logical_or, operators.logical_xor

    abs, sign, square = pointwise.abs, pointwise.sign, pointwise.square
    exp, expm1, log, log1p = pointwise.exp, pointwise.expm1, pointwise.log, pointwise.log1p
    log2, log10, sqrt, rsqrt = pointwise.log2, pointwise.log10, pointwise.sqrt, pointwise.rsqrt
    sin, cos, reciprocal = pointwise.sin, pointwise.cos, pointwise.reciprocal
    floor, ceil, round = pointwise.floor, pointwise.ceil, pointwise.round
    isnan, isinf, isfinite = pointwise.isnan, pointwise.isinf, pointwise.isfinite
    clamp = clip = pointwise.clamp
    maximum, minimum = pointwise.maximum, pointwise.minimum
    masked_fill = pointwise.masked_fill
    relu, sigmoid, tanh = activating.relu, activating.sigmoid, activating.tanh
    softmax, log_softmax = activating.softmax, activating.log_softmax

    sum, mean, prod = reductions.sum, reductions.mean, reductions.prod
    var, std, norm = reductions.var, reductions.std, reductions.norm
    logsumexp, cumsum = reductions.logsumexp, reductions.cumsum
    all, any = reductions.all, reductions.any
    max, min, amax, amin = ordering.max, ordering.min, ordering.amax, ordering.amin
    argmax, argmin, argsort = ordering.argmax, ordering.argmin, ordering.argsort
    sort, topk = ordering.sort, ordering.topk

    reshape = view = shapes.reshape
    flatten, squeeze, unsqueeze = shapes.flatten, shapes.squeeze, shapes.unsqueeze
    transpose, permute, movedim = shapes.transpose, shapes.permute, shapes.movedim
    expand, repeat, flip = shapes.expand, shapes.repeat, shapes.flip
    tril, triu = shapes.tril, shapes.triu
    T = property(shapes.transposed)
    mT = property(shapes.matrix_transposed)

    split, chunk, unbind = joining.split, joining.chunk, joining.unbind
    gather, index_select = indexing.gather, indexing.index_select

    to, cpu, cuda = casting.to, casting.cpu, casting.cuda
    float, double, long = casting.float, casting.double, casting.long
    int, bool = casting.int, casting.bool


def _array_of(data: Any, dtype: DTypeLike | None) -> np.ndarray:
    """The array that a tensor is made of, in the type that torch gives Python's own numbers."""
    if isinstance(data, np.ndarray):  # nearly always
        return np.asarray(data, dtype)
    token = _collecting.set(True)
    try:
        array = np.asarray(data, dtype)
    finally:
        _collecting.reset(token)
    is_untyped = isinstance(data, (int, float, list, tuple)) and not isinstance(data, np.generic)
    if dtype is None and is_untyped:
        if array.dtype == np.float64:
            return array.astype(np.float32)
        if array.dtype.kind == "i" and array.dtype.itemsize < 8:  # as Windows has it
            return array.astype(np.int64)
    return array
