"""What becomes of NumPy's own functions when they are given tensors.

Those that mytorch has too give tensors and record. The rest compute on the arrays and give arrays
where no gradient is at stake; where one is, they would cut the graph in silence, and raise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import signature
from typing import Any

import numpy as np

from thalweg.mytorch import joining, operators, ordering, pointwise, reductions, shapes
from thalweg.mytorch.graph import Recorded, is_grad_enabled

__all__ = ["WAY_OUT", "call_function", "call_ufunc", "cuts"]

WAY_OUT = (
    "NumPy keeps no record, so its result would have no gradient: use the functions of "
    "thalweg.mytorch (cat, stack, where, maximum, ...), or .detach() for the numbers alone"
)

_UFUNCS: dict[Any, Callable[..., Any]] = {
    np.absolute: pointwise.abs,
    np.add: operators.add,
    np.bitwise_and: operators.logical_and,
    np.bitwise_or: operators.logical_or,
    np.bitwise_xor: operators.logical_xor,
    np.ceil: pointwise.ceil,
    np.cos: pointwise.cos,
    np.divide: operators.div,
    np.equal: operators.eq,
    np.exp: pointwise.exp,
    np.expm1: pointwise.expm1,
    np.floor: pointwise.floor,
    np.greater: operators.gt,
    np.greater_equal: operators.ge,
    np.invert: operators.logical_not,
    np.isfinite: pointwise.isfinite,
    np.isinf: pointwise.isinf,
    np.isnan: pointwise.isnan,
    np.less: operators.lt,
    np.less_equal: operators.le,
    np.log: pointwise.log,
    np.log10: pointwise.log10,
    np.log1p: pointwise.log1p,
    np.log2: pointwise.log2,
    np.matmul: operators.matmul,
    np.maximum: pointwise.maximum,
    np.minimum: pointwise.minimum,
    np.multiply: operators.mul,
    np.negative: operators.neg,
    np.not_equal: operators.ne,
    np.power: operators.pow,
    np.reciprocal: pointwise.reciprocal,
    np.rint: pointwise.round,
    np.sign: pointwise.sign,
    np.sin: pointwise.sin,
    np.sqrt: pointwise.sqrt,
    np.square: pointwise.square,
    np.subtract: operators.sub,
    np.tanh: lambda x: x.tanh(),
}

# These look at shapes and values, and nothing that has a gradient comes out of them.
_LOOKS = {
    np.allclose,
    np.array2string,
    np.array_equal,
    np.array_repr,
    np.array_str,
    np.can_cast,
    np.empty_like,
    np.full_like,
    np.isclose,
    np.may_share_memory,
    np.ndim,
    np.ones_like,
    np.result_type,
    np.shape,
    np.shares_memory,
    np.size,
    np.zeros_like,
}


def _sum(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reductions.sum(a, axis, keepdims)


def _mean(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reductions.mean(a, axis, keepdims)


def _prod(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reductions.prod(a, axis, keepdims)


def _var(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    return reductions.var(a, axis, None, keepdims, correction=ddof)


def _std(a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    return reductions.std(a, axis, None, keepdims, correction=ddof)


def _max(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return ordering.amax(a, axis, keepdims)


def _min(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return ordering.amin(a, axis, keepdims)


def _argmax(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return ordering.argmax(a, axis, keepdims)


def _argmin(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return ordering.argmin(a, axis, keepdims)


def _cumsum(a: Any, axis: int) -> Any:
    return reductions.cumsum(a, axis)


def _all(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reductions.all(a, axis, keepdims)


def _any(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return reductions.any(a, axis, keepdims)


def _concatenate(arrays: Any, axis: int = 0) -> Any:
    return joining.cat(list(arrays), axis)


def _stack(arrays: Any, axis: int = 0) -> Any:
    return joining.stack(list(arrays), axis)


def _where(condition: Any, x: Any, y: Any) -> Any:
    return pointwise.where(condition, x, y)


def _clip(a: Any, a_min: Any = None, a_max: Any = None) -> Any:
    return pointwise.clamp(a, a_min, a_max)


def _reshape(a: Any, shape: Any) -> Any:
    return shapes.reshape(a, shape)


def _transpose(a: Any, axes: Any = None) -> Any:
    return shapes.permute(a, tuple(range(a.ndim))[::-1] if axes is None else tuple(axes))


def _squeeze(a: Any, axis: Any = None) -> Any:
    return shapes.squeeze(a, axis)


def _expand_dims(a: Any, axis: int) -> Any:
    return shapes.unsqueeze(a, axis)


def _swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    return shapes.transpose(a, axis1, axis2)


def _broadcast_to(array: Any, shape: Any) -> Any:
    return shapes.expand(array, shape)


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.all: _all,
    np.amax: _max,
    np.amin: _min,
    np.any: _any,
    np.argmax: _argmax,
    np.argmin: _argmin,
    np.broadcast_to: _broadcast_to,
    np.clip: _clip,
    np.concatenate: _concatenate,
    np.cumsum: _cumsum,
    np.expand_dims: _expand_dims,
    np.max: _max,
    np.mean: _mean,
    np.min: _min,
    np.prod: _prod,
    np.reshape: _reshape,
    np.squeeze: _squeeze,
    np.stack: _stack,
    np.std: _std,
    np.sum: _sum,
    np.swapaxes: _swapaxes,
    np.transpose: _transpose,
    np.var: _var,
    np.where: _where,
}


def call_function(function: Any, args: Any, kwargs: Any) -> Any:
    """`__array_function__`: what NumPy's function gives for tensors among its arguments."""
    own = _FUNCTIONS.get(function)
    if own is not None and _takes(own, args, kwargs):
        return own(*args, **kwargs)
    if function not in _LOOKS:
        _check_uncut(f"numpy.{function.__name__}", args, kwargs)
    return function(*_arrays(args), **_arrays(kwargs))


def call_ufunc(ufunc: np.ufunc, method: str, inputs: Any, kwargs: Any) -> Any:
    """`__array_ufunc__`: what NumPy's elementwise function gives for tensors among its operands."""
    own = _UFUNCS.get(ufunc)
    if own is not None and method == "__call__" and not kwargs:
        return own(*inputs)
    _check_uncut(f"numpy.{ufunc.__name__}", inputs, kwargs)
    return getattr(ufunc, method)(*_arrays(inputs), **_arrays(kwargs))


def cuts(x: Recorded) -> bool:
    """Whether a gradient would be lost if the numbers of this tensor went on without it."""
    return x.requires_grad and (x._node is not None or is_grad_enabled())


def _check_uncut(name: str, *arguments: Any) -> None:
    if any(cuts(x) for x in _tensors(arguments)):
        raise RuntimeError(f"{name}: a tensor that wants a gradient: {WAY_OUT}")


def _takes(own: Callable[..., Any], args: Any, kwargs: Any) -> bool:
    try:
        signature(own).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _tensors(value: Any) -> Iterator[Recorded]:
    if isinstance(value, Recorded):
        yield value
    elif isinstance(value, tuple | list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _tensors(one)


def _arrays(value: Any) -> Any:
    """The same arguments, with arrays in the place of tensors."""
    if isinstance(value, Recorded):
        return value.data
    if isinstance(value, tuple | list):
        return (tuple if isinstance(value, tuple) else list)(map(_arrays, value))
    if isinstance(value, dict):
        return {key: _arrays(one) for key, one in value.items()}
    return value
