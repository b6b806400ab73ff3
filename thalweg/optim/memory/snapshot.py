"""Whether tensors are still what they were, asked of thousands at once.

On many small tensors a Python call per tensor costs more than the arithmetic. torch has both
questions in C for its compiler: guards (type, dtype, device, sizes, strides, conj and neg bits) and
a plain function from tensor to address. Where a torch lacks them, the same is asked in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.fuse.engines import host
from thalweg.optim.memory.reach import strides

__all__ = ["ADDRESS_OF", "Addresses", "Described"]

_guards = getattr(getattr(torch._C, "_dynamo", None), "guards", None)
_TensorGuards = getattr(_guards, "TensorGuards", None)
ADDRESS_OF = int(getattr(_guards, "_torchinductor_pyobject_tensor_data_ptr", 0))
"""A C function from a tensor's Python object to where it lies; 0 where torch has none."""

# torch's guards keep a set of those they are asked of: it is to stay in the cache
_MOST = 128

# below this many tensors the compiled loop is not worth calling
_FEW = 64


class Addresses:
    """Where each of many tensors lies; asked again, of the same tensors, as often as need be."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._tensors = tensors  # kept alive: their identities are used as C pointers
        self._objects: NDArray[np.int64] | None = None
        if ADDRESS_OF and len(tensors) >= _FEW:
            self._objects = np.fromiter(map(id, tensors), np.int64, len(tensors))

    def now(self) -> NDArray[np.int64]:
        """The address of each tensor's first element at this moment."""
        if self._objects is None:
            return np.fromiter(map(Tensor.data_ptr, self._tensors), np.int64, len(self._tensors))
        return host().call_each(ADDRESS_OF, self._objects)


class Described:
    """Type, dtype, shape, strides and conj/neg bits of many tensors, to compare others with.

    Of axes of size 1 the strides are not compared: autograd makes them as it likes.
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._guards: list[Any] = []
        self._described: Any = None
        self._count = len(tensors)
        if _TensorGuards is None:
            self._described = _describe(tensors)
            return
        for first in range(0, len(tensors), _MOST):
            its = tensors[first : first + _MOST]
            guards = _TensorGuards(
                *its,
                dynamic_dims_sizes=[list(t.shape) for t in its],
                dynamic_dims_strides=list(map(strides, its)),
            )
            self._guards.append((guards.check, slice(first, first + _MOST)))

    @property
    def only(self) -> Any:
        """torch's own check, of one tensor behind the other, where a single one does; else None."""
        return self._guards[0][0] if len(self._guards) == 1 else None

    def fits(self, tensors: Sequence[Tensor], more: Sequence[Tensor] = ()) -> bool:
        """Whether the tensors, `more` of them behind the others, are one by one as described."""
        if len(tensors) + len(more) != self._count:
            return False
        if len(self._guards) == 1:
            return bool(self._guards[0][0](*tensors, *more))
        tensors = [*tensors, *more]
        if self._described is None:
            return all(check(*tensors[its]) for check, its in self._guards)
        try:
            is_true: bool = _describe(tensors) == self._described
            return is_true
        except RuntimeError:  # sparse tensors have no strides
            return False


def _describe(tensors: Sequence[Tensor]) -> list[list[Any]]:
    """What `Described` compares, in Python."""
    questions: list[Any] = [type, attrgetter("dtype"), attrgetter("device"), attrgetter("shape")]
    questions += [strides, Tensor.is_conj, Tensor.is_neg]
    return [list(map(question, tensors)) for question in questions]
