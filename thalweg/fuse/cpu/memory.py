"""Loads, stores and functions of the CPU engine, as LLVM instructions.

Loads and stores carry `alias.scope` and `noalias` metadata, one scope per stream: told nothing,
LLVM must assume that the streams overlap, and does not vectorize the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from thalweg import elementwise
from thalweg.fuse.storage import FORMATS

__all__ = ["FUNCTIONS", "add", "call", "claim", "load", "store"]

_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_IN_MEMORY: dict[str, Any] = {
    "float32": ir.FloatType(),
    "float64": ir.DoubleType(),
    "float16": ir.HalfType(),
    "bfloat16": _I16,
}
_NUMBA: dict[str, Any] = {"float32": types.float32, "float64": types.float64}


def _scopes(builder: ir.IRBuilder, names: tuple[str, ...]) -> Any:
    module = builder.module
    domain = module.add_metadata([ir.MetaDataString(module, "thalweg")])
    scopes = [module.add_metadata([ir.MetaDataString(module, n), domain]) for n in names]
    return module.add_metadata(scopes)


def _mark(builder: ir.IRBuilder, access: Any, stream: str, streams: tuple[str, ...]) -> None:
    others = tuple(name for name in streams if name != stream)
    access.set_metadata("alias.scope", _scopes(builder, (stream,)))
    if others:
        access.set_metadata("noalias", _scopes(builder, others))


def _element(builder: ir.IRBuilder, address: Any, index: Any, format: str) -> Any:
    pointer = builder.inttoptr(address, _IN_MEMORY[format].as_pointer())
    return builder.gep(pointer, [index])


def load(format: str, computation: str, stream: str, streams: tuple[str, ...]) -> Any:
    """`(address, index) -> number`: one element of a stream in the computation type."""
    kind = _NUMBA[computation]
    size = FORMATS[format].size

    @intrinsic
    def load_element(_, address, index):
        def generate(context, builder, signature, arguments):
            # views and bucket slices are aligned to their element and no more
            address, index = arguments
            value = builder.load(_element(builder, address, index, format), align=size)
            _mark(builder, value, stream, streams)
            return _widened(builder, value, format, context.get_value_type(kind))

        return kind(types.int64, types.int64), generate

    return load_element


def store(format: str, computation: str, stream: str, streams: tuple[str, ...]) -> Any:
    """`(address, index, number)`: one element of a stream, rounded to nearest, ties to even."""
    kind = _NUMBA[computation]
    size = FORMATS[format].size

    @intrinsic
    def store_element(_, address, index, number):
        def generate(context, builder, signature, arguments):
            address, index, number = arguments
            place = _element(builder, address, index, format)
            access = builder.store(_narrowed(builder, number, format), place, align=size)
            _mark(builder, access, stream, streams)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, kind), generate

    return store_element


def _widened(builder: ir.IRBuilder, value: Any, format: str, target: Any) -> Any:
    if format == "bfloat16":  # the upper half of a float32
        value = builder.bitcast(builder.shl(builder.zext(value, _I32), _I32(16)), ir.FloatType())
    elif format == "float16":  # no processor has an instruction from there to double
        value = builder.fpext(value, ir.FloatType())
    return _resized(builder, value, target)


def _narrowed(builder: ir.IRBuilder, value: Any, format: str) -> Any:
    if format in ("float32", "float64"):
        return _resized(builder, value, _IN_MEMORY[format])
    value = _resized(builder, value, ir.FloatType())  # as torch: by way of float32
    if format == "float16":
        return builder.fptrunc(value, ir.HalfType())
    bits = builder.bitcast(value, _I32)
    odd = builder.and_(builder.lshr(bits, _I32(16)), _I32(1))
    rounded = builder.add(bits, builder.add(odd, _I32(0x7FFF)))
    rounded = builder.trunc(builder.lshr(rounded, _I32(16)), _I16)
    is_nan = builder.fcmp_unordered("uno", value, value)
    return builder.select(is_nan, _I16(0x7FC0), rounded)  # adding to a NaN could make it infinite


def _resized(builder: ir.IRBuilder, value: Any, target: Any) -> Any:
    if value.type == target:
        return value
    is_wider = isinstance(target, ir.DoubleType)
    return builder.fpext(value, target) if is_wider else builder.fptrunc(value, target)


def _word(kind: Any, memory: Any, writes: bool) -> Any:
    """Reads or writes one number of a table that the host made; not in the inner loop."""

    @intrinsic
    def read(_, address, index):
        def generate(context, builder, signature, arguments):
            pointer = builder.inttoptr(arguments[0], memory.as_pointer())
            return builder.load(builder.gep(pointer, [arguments[1]]))

        return kind(types.int64, types.int64), generate

    @intrinsic
    def write(_, address, index, value):
        def generate(context, builder, signature, arguments):
            pointer = builder.inttoptr(arguments[0], memory.as_pointer())
            builder.store(arguments[2], builder.gep(pointer, [arguments[1]]))
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, kind), generate

    return write if writes else read


integer = _word(types.int64, _I64, writes=False)
put_integer = _word(types.int64, _I64, writes=True)
double = _word(types.float64, ir.DoubleType(), writes=False)
put_double = _word(types.float64, ir.DoubleType(), writes=True)


@intrinsic
def claim(_, counter):
    """Take the next number from a counter that other threads take from as well."""

    def generate(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], _I64.as_pointer())
        return builder.atomic_rmw("add", pointer, _I64(1), "monotonic")

    return types.int64(types.int64), generate


@intrinsic
def add(_, total, number):
    """Add to a running sum in any order, so that the sum is computed on vectors."""

    def generate(context, builder, signature, arguments):
        return builder.fadd(*arguments, flags=("reassoc", "contract", "nsz"))

    return types.float64(types.float64, types.float64), generate


@intrinsic
def call(_, function, argument):
    """Call a C function `void *f(void *)` by its address."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(_I64, [_I64]).as_pointer()
        return builder.call(builder.inttoptr(arguments[0], kind), [arguments[1]])

    return types.int64(types.int64, types.int64), generate


def _unary(name: str) -> Any:
    @intrinsic
    def function(_, x):
        def generate(context, builder, signature, arguments):
            called = builder.module.declare_intrinsic(name, [arguments[0].type])
            return builder.call(called, arguments)

        return x(x), generate

    return function


def _extremum(predicate: str) -> Any:
    """NaN if either is, as torch.maximum and numpy.maximum have it."""

    @intrinsic
    def function(_, a, b):
        def generate(context, builder, signature, arguments):
            a, b = arguments
            larger = builder.select(builder.fcmp_ordered(predicate, a, b), a, b)
            # b is returned whenever a comparison fails, so only a NaN in a needs a line
            return builder.select(builder.fcmp_unordered("uno", a, a), a, larger)

        return a(a, a), generate

    return function


@intrinsic
def _where(_, condition, a, b):
    def generate(context, builder, signature, arguments):
        return builder.select(*arguments)

    return a(types.boolean, a, a), generate


@intrinsic
def _sign(_, x):
    def generate(context, builder, signature, arguments):
        (value,) = arguments
        kind = value.type
        one, zero = ir.Constant(kind, 1.0), ir.Constant(kind, 0.0)
        negative = builder.fcmp_ordered("<", value, zero)
        positive = builder.fcmp_ordered(">", value, zero)
        return builder.select(
            positive, one, builder.select(negative, ir.Constant(kind, -1.0), value)
        )

    return x(x), generate


def _functions() -> dict[str, Callable[..., Any]]:
    primitives = {
        "sqrt": _unary("llvm.sqrt"),
        "exp": _unary("llvm.exp"),
        "log": _unary("llvm.log"),
        "abs": _unary("llvm.fabs"),
        "sign": _sign,
        "maximum": _extremum(">"),
        "minimum": _extremum("<"),
        "where": _where,
    }
    assert set(primitives) == set(elementwise.PRIMITIVES)
    composites = {
        name: numba.njit(inline="always")(getattr(elementwise, name))
        for name in elementwise.COMPOSITES
    }
    return primitives | composites


# the functions of `thalweg.elementwise`, as this engine computes them
FUNCTIONS = _functions()
