"""Numbers as they lie in memory, and as they are computed with, as LLVM instructions."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

__all__ = [
    "EXACT",
    "IN_MEMORY",
    "key",
    "narrowed",
    "narrowed_at_random",
    "random_bits",
    "residual",
    "total",
    "widened",
]

_I16, _I32, _I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
IN_MEMORY: dict[str, Any] = {
    "float32": ir.FloatType(),
    "float64": ir.DoubleType(),
    "float16": ir.HalfType(),
    "bfloat16": _I16,
}
_NAN = _I16(0x7FC0)

# An operation that has no flag yet is marked: with `contract`, by which a product would enter
# a residual unrounded, and with `nsz`, by which zero could lose its sign. This one means nothing
# to a sum.
EXACT = ("arcp",)


def widened(builder: ir.IRBuilder, value: Any, element: str, target: Any) -> Any:
    """An element as a number of the type `target`; nothing is lost."""
    if element == "bfloat16":  # the upper half of a float32
        value = builder.bitcast(builder.shl(builder.zext(value, _I32), _I32(16)), ir.FloatType())
    elif element == "float16":  # no processor has an instruction from there to double
        value = builder.fpext(value, ir.FloatType())
    return _resized(builder, value, target)


def narrowed(builder: ir.IRBuilder, value: Any, element: str) -> Any:
    """A number as an element, rounded to nearest, ties to even."""
    if element in ("float32", "float64"):
        return _resized(builder, value, IN_MEMORY[element])
    value = _resized(builder, value, ir.FloatType())  # as torch: by way of float32
    if element == "float16":
        return builder.fptrunc(value, ir.HalfType())
    bits = builder.bitcast(value, _I32)
    odd = builder.and_(builder.lshr(bits, _I32(16)), _I32(1))
    return _upper_half(builder, value, builder.add(odd, _I32(0x7FFF)))


def narrowed_at_random(builder: ir.IRBuilder, value: Any, random: Any) -> Any:
    """A number as a bfloat16: the one below or the one above it in size, as 16 random bits say.

    To add them to what is cut off makes a carry as often as that is a part of the whole step.
    """
    return _upper_half(builder, _resized(builder, value, ir.FloatType()), random)


def _upper_half(builder: ir.IRBuilder, value: Any, addend: Any) -> Any:
    """The upper 16 bits of a float32 after something below their last place is added."""
    bits = builder.add(builder.bitcast(value, _I32), addend)
    half = builder.trunc(builder.lshr(bits, _I32(16)), _I16)
    is_nan = builder.fcmp_unordered("uno", value, value)
    return builder.select(is_nan, _NAN, half)  # adding to a NaN could make it infinite


def total(builder: ir.IRBuilder, value: Any, missing: Any) -> Any:
    """A rounded number with its residual."""
    return builder.fadd(value, missing, flags=EXACT)


def residual(builder: ir.IRBuilder, value: Any, stored: Any) -> Any:
    """What is missing from a number to its rounded value; nothing from what is not finite.

    The difference is taken the other way round, so that where nothing is missing it is -0, which
    added to a zero leaves it its sign.
    """
    missing = builder.fneg(builder.fsub(stored, value, flags=EXACT))
    size = builder.call(builder.module.declare_intrinsic("llvm.fabs", [missing.type]), [missing])
    is_finite = builder.fcmp_ordered("<", size, ir.Constant(missing.type, float("inf")))
    return builder.select(is_finite, missing, ir.Constant(missing.type, -0.0))


def key(builder: ir.IRBuilder, numbers: list[Any]) -> Any:
    """64 bits from some integers, by the finalizer of SplitMix64 after each."""
    mixed = _I64(0)
    for number in numbers:
        mixed = builder.add(builder.xor(mixed, number), _I64(0x9E3779B97F4A7C15))
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = builder.xor(mixed, builder.lshr(mixed, _I64(shift)))
            mixed = builder.mul(mixed, _I64(factor))
        mixed = builder.xor(mixed, builder.lshr(mixed, _I64(31)))
    return mixed


def random_bits(builder: ir.IRBuilder, keyed: Any, index: Any) -> Any:
    """16 bits for an element, in 32, from the key of its array and its place there.

    The finalizer of MurmurHash3 with half of the key before each of its two products: whoever
    computes an element, on whatever vector, finds the same. In 32 bits, of which processors
    multiply twice as many at once.
    """
    low, high = builder.trunc(keyed, _I32), builder.trunc(builder.lshr(keyed, _I64(32)), _I32)
    far = builder.trunc(builder.lshr(index, _I64(32)), _I32)  # of arrays beyond 2^32 elements
    bits = builder.mul(builder.trunc(index, _I32), _I32(0x9E3779B1))
    bits = builder.xor(bits, builder.add(low, builder.mul(far, _I32(0x27D4EB2F))))
    bits = builder.xor(bits, builder.lshr(bits, _I32(16)))
    bits = builder.xor(builder.mul(bits, _I32(0x85EBCA6B)), high)
    bits = builder.xor(bits, builder.lshr(bits, _I32(13)))
    return builder.lshr(builder.mul(bits, _I32(0xC2B2AE35)), _I32(16))


def _resized(builder: ir.IRBuilder, value: Any, target: Any) -> Any:
    if value.type == target:
        return value
    is_wider = isinstance(target, ir.DoubleType)
    return builder.fpext(value, target) if is_wider else builder.fptrunc(value, target)
