"""Loads, stores and functions of the CPU engine, as LLVM instructions.

Loads and stores carry `alias.scope` and `noalias` metadata, one scope per array in memory: told
nothing, LLVM must assume that the arrays overlap, and does not vectorize the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from thalweg import elementwise
from thalweg.fuse.cpu import conversion
from thalweg.fuse.cpu.arctangent import atan2
from thalweg.fuse.cpu.conversion import IN_MEMORY, narrowed, widened
from thalweg.fuse.cpu.cube_root import cbrt
from thalweg.fuse.cpu.exponential import exp
from thalweg.fuse.storage import ELEMENTS, FORMATS, columns

__all__ = ["FUNCTIONS", "add", "call", "claim", "key", "load", "store"]

_I64 = ir.IntType(64)
_NUMBA: dict[str, Any] = {"float32": types.float32, "float64": types.float64}


class _Array:
    """One array in memory: an element is read or written, in the array's own alias scope."""

    def __init__(self, name: str, element: str, among: Sequence[str]) -> None:
        self._name, self._element = name, element
        self._others = [other for other in among if other != name]
        self._size = ELEMENTS[element].size

    def read(self, builder: ir.IRBuilder, address: Any, index: Any, target: Any) -> Any:
        """An element as a number of the type `target`."""
        # views and bucket slices are aligned to their element and no more
        access = builder.load(self._place(builder, address, index), align=self._size)
        self._mark(builder, access)
        return widened(builder, access, self._element, target)

    def write(self, builder: ir.IRBuilder, address: Any, index: Any, element: Any) -> None:
        """Store what is already an element."""
        place = self._place(builder, address, index)
        self._mark(builder, builder.store(element, place, align=self._size))

    def write_rounded(self, builder: ir.IRBuilder, address: Any, index: Any, number: Any) -> Any:
        """Store a number rounded to nearest; returns the element."""
        element = narrowed(builder, number, self._element)
        self.write(builder, address, index, element)
        return element

    def _place(self, builder: ir.IRBuilder, address: Any, index: Any) -> Any:
        pointer = builder.inttoptr(address, IN_MEMORY[self._element].as_pointer())
        return builder.gep(pointer, [index])

    def _mark(self, builder: ir.IRBuilder, access: Any) -> None:
        access.set_metadata("alias.scope", _scopes(builder, [self._name]))
        if self._others:
            access.set_metadata("noalias", _scopes(builder, self._others))


def _scopes(builder: ir.IRBuilder, names: Sequence[str]) -> Any:
    module = builder.module
    domain = module.add_metadata([ir.MetaDataString(module, "thalweg")])
    scopes = [module.add_metadata([ir.MetaDataString(module, n), domain]) for n in names]
    return module.add_metadata(scopes)


def _arrays(format: str, stream: str, among: Sequence[str]) -> list[_Array]:
    """What lies in memory of a stream: its array, then its companions."""
    form = FORMATS[format]
    elements = [form.element, *(companion.element for companion in form.companions)]
    names = columns([stream], [format])
    return [_Array(*one, among) for one in zip(names, elements, strict=True)]


def load(format: str, computation: str, stream: str, among: Sequence[str]) -> Any:
    """`(at, index) -> number`: one element of a stream in the computation type.

    `at` is the address of the stream's array, or a tuple: that, then those of its companions, then
    the key of its random bits. `among` names every array that the kernel touches.
    """
    kind = _NUMBA[computation]
    arrays = _arrays(format, stream, among)

    @intrinsic
    def load_element(_: Any, at: Any, index: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
            at, index = arguments
            target = context.get_value_type(kind)
            addresses = _each(builder, at)[: len(arrays)]
            number, *missing = [
                array.read(builder, address, index, target)
                for array, address in zip(arrays, addresses, strict=True)
            ]
            for residual in missing:
                number = conversion.total(builder, number, residual)
            return number

        return kind(_typed(at), types.int64), generate

    return load_element


def store(format: str, computation: str, stream: str, among: Sequence[str]) -> Any:
    """`(at, index, number)`: one element of a stream, rounded as its format says."""
    kind = _NUMBA[computation]
    array, *residuals = _arrays(format, stream, among)
    is_random, element_type = FORMATS[format].rounds_at_random, FORMATS[format].element

    @intrinsic
    def store_element(_: Any, at: Any, index: Any, number: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
            at, index, number = arguments
            address, *others = _each(builder, at)
            if is_random:
                random = conversion.random_bits(builder, others[-1], index)
                element = conversion.narrowed_at_random(builder, number, random)
                array.write(builder, address, index, element)
            else:
                element = array.write_rounded(builder, address, index, number)
            for beside, address in zip(residuals, others, strict=False):
                stored = widened(builder, element, element_type, number.type)
                number = conversion.residual(builder, number, stored)
                beside.write_rounded(builder, address, index, number)
            return context.get_dummy_value()

        return types.void(_typed(at), types.int64, kind), generate

    return store_element


def _typed(at: Any) -> Any:
    return at if isinstance(at, types.BaseTuple) else types.int64


def _each(builder: ir.IRBuilder, at: Any) -> list[Any]:
    """The integers of a tuple, or the only one."""
    if at.type == _I64:
        return [at]
    return [builder.extract_value(at, i) for i in range(at.type.count)]


@intrinsic
def key(_: Any, seed: Any, tensor: Any, array: Any) -> Any:
    """The key of the random bits of one array of one tensor in a step."""

    def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        return conversion.key(builder, list(arguments))

    return types.int64(types.int64, types.int64, types.int64), generate


def _word(kind: Any, memory: Any, writes: bool) -> Any:
    """Reads or writes one number of a table that the host made; not in the inner loop."""

    @intrinsic
    def read(_: Any, address: Any, index: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
            pointer = builder.inttoptr(arguments[0], memory.as_pointer())
            return builder.load(builder.gep(pointer, [arguments[1]]))

        return kind(types.int64, types.int64), generate

    @intrinsic
    def write(_: Any, address: Any, index: Any, value: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
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
def claim(_: Any, counter: Any) -> Any:
    """Take the next number from a counter that other threads take from as well."""

    def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], _I64.as_pointer())
        return builder.atomic_rmw("add", pointer, _I64(1), "monotonic")

    return types.int64(types.int64), generate


@intrinsic
def add(_: Any, total: Any, number: Any) -> Any:
    """Add to a running sum in any order, so that the sum is computed on vectors."""

    def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        return builder.fadd(*arguments, flags=("reassoc", "contract", "nsz"))

    return types.float64(types.float64, types.float64), generate


@intrinsic
def call(_: Any, function: Any, argument: Any) -> Any:
    """Call a C function `void *f(void *)` by its address."""

    def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_I64, [_I64]).as_pointer()
        return builder.call(builder.inttoptr(arguments[0], kind), [arguments[1]])

    return types.int64(types.int64, types.int64), generate


def _unary(name: str) -> Any:
    @intrinsic
    def function(_: Any, x: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
            called = builder.module.declare_intrinsic(name, [arguments[0].type])
            return builder.call(called, arguments)

        return x(x), generate

    return function


def _extremum(predicate: str) -> Any:
    """NaN if either is, as torch.maximum and numpy.maximum have it."""

    @intrinsic
    def function(_: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
            a, b = arguments
            larger = builder.select(builder.fcmp_ordered(predicate, a, b), a, b)
            # b is returned whenever a comparison fails, so only a NaN in a needs a line
            return builder.select(builder.fcmp_unordered("uno", a, a), a, larger)

        return a(a, a), generate

    return function


@intrinsic
def _where(_: Any, condition: Any, a: Any, b: Any) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        return builder.select(*arguments)

    return a(types.boolean, a, a), generate


@intrinsic
def _sign(_: Any, x: Any) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: Any) -> Any:
        (value,) = arguments
        kind = value.type
        one, zero = ir.Constant(kind, 1.0), ir.Constant(kind, 0.0)
        negative = builder.fcmp_ordered("<", value, zero)
        positive = builder.fcmp_ordered(">", value, zero)
        return builder.select(
            positive, one, builder.select(negative, ir.Constant(kind, -1.0), value)
        )

    return x(x), generate


@numba.njit(forceinline=True, fastmath=False)
def _product(a: Any, b: Any) -> Any:
    """A product that no sum takes in: a function of its own is not marked `contract`."""
    return a * b


def _functions() -> dict[str, Callable[..., Any]]:
    primitives = {
        "sqrt": _unary("llvm.sqrt"),
        "cbrt": cbrt,
        "exp": exp,
        "log": _unary("llvm.log"),
        "abs": _unary("llvm.fabs"),
        "sign": _sign,
        "maximum": _extremum(">"),
        "minimum": _extremum("<"),
        "atan2": atan2,
        "where": _where,
    }
    assert set(primitives) == set(elementwise.PRIMITIVES)
    return {**primitives, "product": _product}


# what a plan's lines may call, as this engine computes it
FUNCTIONS = _functions()
