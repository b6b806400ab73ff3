"""Loads, stores and functions of the CPU engine, as LLVM instructions.

Loads and stores carry `alias.scope` and `noalias` metadata, one scope per array in memory: told
nothing, LLVM must assume that the arrays overlap, and does not vectorize the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from llvmlite import ir

from thalweg import elementwise
from thalweg.fuse.cpu import conversion
from thalweg.fuse.cpu.arctangent import atan2
from thalweg.fuse.cpu.conversion import IN_MEMORY, narrowed, widened
from thalweg.fuse.cpu.cube_root import cbrt
from thalweg.fuse.cpu.exponential import exp
from thalweg.fuse.cpu.word import ALIKE, ANY, BOOL, DOUBLE, FLOAT, INTEGER, Kind, Word, word
from thalweg.fuse.storage import ELEMENTS, FORMATS, columns

__all__ = ["FUNCTIONS", "ROUND", "add", "call", "claim", "key", "load", "store"]

_COMPUTED: dict[str, Kind] = {"float32": FLOAT, "float64": DOUBLE}


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
    target = _COMPUTED[computation]
    arrays = _arrays(format, stream, among)

    @word(ANY, INTEGER)
    def load_element(builder: ir.IRBuilder, at: Any, index: Any) -> Any:
        number, *missing = [
            array.read(builder, address, index, target)
            for array, address in zip(arrays, _each(at)[: len(arrays)], strict=True)
        ]
        for residual in missing:
            number = conversion.total(builder, number, residual)
        return number

    return load_element


def store(format: str, computation: str, stream: str, among: Sequence[str]) -> Any:
    """`(at, index, number)`: one element of a stream, rounded as its format says."""
    array, *residuals = _arrays(format, stream, among)
    is_random, element_type = FORMATS[format].rounds_at_random, FORMATS[format].element

    @word(ANY, INTEGER, _COMPUTED[computation])
    def store_element(builder: ir.IRBuilder, at: Any, index: Any, number: Any) -> None:
        address, *others = _each(at)
        if is_random:
            random = conversion.random_bits(builder, others[-1], index)
            element = conversion.narrowed_at_random(builder, number, random)
            array.write(builder, address, index, element)
        else:
            element = array.write_rounded(builder, address, index, number)
        for beside, place in zip(residuals, others, strict=False):
            stored = widened(builder, element, element_type, number.type)
            number = conversion.residual(builder, number, stored)
            beside.write_rounded(builder, place, index, number)

    return store_element


def _each(at: Any) -> list[Any]:
    """The integers of a tuple, or the only one."""
    return list(at) if isinstance(at, tuple) else [at]


@word(INTEGER, INTEGER, INTEGER)
def key(builder: ir.IRBuilder, *numbers: Any) -> Any:
    """`key(seed, tensor, array)`: of the random bits of one array of one tensor in a step."""
    return conversion.key(builder, list(numbers))


def _word(memory: Kind, writes: bool) -> Word:
    """Reads or writes one number of a table that the host made; not in the inner loop."""

    @word(INTEGER, INTEGER)
    def read(builder: ir.IRBuilder, address: Any, index: Any) -> Any:
        pointer = builder.inttoptr(address, memory.as_pointer())
        return builder.load(builder.gep(pointer, [index]))

    @word(INTEGER, INTEGER, memory)
    def write(builder: ir.IRBuilder, address: Any, index: Any, value: Any) -> None:
        pointer = builder.inttoptr(address, memory.as_pointer())
        builder.store(value, builder.gep(pointer, [index]))

    return write if writes else read


integer = _word(INTEGER, writes=False)
put_integer = _word(INTEGER, writes=True)
double = _word(DOUBLE, writes=False)
put_double = _word(DOUBLE, writes=True)


@word(INTEGER)
def claim(builder: ir.IRBuilder, counter: Any) -> Any:
    """Take the next number from a counter that other threads take from as well."""
    pointer = builder.inttoptr(counter, INTEGER.as_pointer())
    return builder.atomic_rmw("add", pointer, INTEGER(1), "monotonic")


@word(DOUBLE, DOUBLE)
def add(builder: ir.IRBuilder, total: Any, number: Any) -> Any:
    """Add to a running sum in any order, so that the sum is computed on vectors."""
    return builder.fadd(total, number, flags=("reassoc", "contract", "nsz"))


@word(INTEGER, is_open=True)
def call(builder: ir.IRBuilder, function: Any, *arguments: Any) -> Any:
    """Call a C function of pointers and integers, which returns one, by its address."""
    kind = ir.FunctionType(INTEGER, [INTEGER] * len(arguments)).as_pointer()
    return builder.call(builder.inttoptr(function, kind), arguments)


def _unary(name: str) -> Word:
    @word(ALIKE)
    def function(builder: ir.IRBuilder, x: Any) -> Any:
        return builder.call(builder.module.declare_intrinsic(name, [x.type]), [x])

    return function


def _extremum(predicate: str) -> Word:
    """NaN if either is, as torch.maximum and numpy.maximum have it."""

    @word(ALIKE, ALIKE)
    def function(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
        larger = builder.select(builder.fcmp_ordered(predicate, a, b), a, b)
        # b is returned whenever a comparison fails, so only a NaN in a needs a line
        return builder.select(builder.fcmp_unordered("uno", a, a), a, larger)

    return function


@word(BOOL, ALIKE, ALIKE)
def _where(builder: ir.IRBuilder, condition: Any, a: Any, b: Any) -> Any:
    return builder.select(condition, a, b)


@word(ALIKE)
def _sign(builder: ir.IRBuilder, x: Any) -> Any:
    one, zero = ir.Constant(x.type, 1.0), ir.Constant(x.type, 0.0)
    negative = builder.fcmp_ordered("<", x, zero)
    positive = builder.fcmp_ordered(">", x, zero)
    return builder.select(positive, one, builder.select(negative, ir.Constant(x.type, -1.0), x))


@word(ALIKE, ALIKE)
def _product(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
    """A product that no sum takes in: it is not marked `contract`."""
    return builder.fmul(a, b, flags=conversion.EXACT)


def _round(kind: Kind, is_known: bool) -> Word:
    @word(kind)
    def rounded(builder: ir.IRBuilder, x: Any) -> Any:
        return x

    return replace(rounded, is_known=is_known)


# a number as one of a type that is computed in: known before the step, or not
ROUND = {name: _round(kind, True) for name, kind in _COMPUTED.items()}
ROUND |= {f"measured {name}": _round(kind, False) for name, kind in _COMPUTED.items()}


def _functions() -> dict[str, Word]:
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
