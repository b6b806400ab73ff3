"""Python's operators on numbers of a kernel, as LLVM instructions.

Two numbers meet as in NumPy: whole ones become doubles beside floating point, and the narrower of
two is widened. Nothing raises: divided by zero a number is infinite or NaN, a whole one is 0.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from thalweg.fuse.cpu.word import BOOL, DOUBLE, FLOAT, INTEGER, Kind, brought, word

__all__ = ["binary", "by_reciprocal", "compared", "joined", "negative", "power", "smaller"]

_COMPARISONS = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_FLOATING: dict[type[ast.operator], str] = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul"}
_WHOLE: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.BitAnd: "and_",
    ast.BitOr: "or_",
    ast.BitXor: "xor",
}
_OF_BITS = (ast.BitAnd, ast.BitOr, ast.BitXor)  # by which two truths stay truths
_MOST_PRODUCTS = 1 << 16  # of a power that is multiplied out
# by which a divisor that is nearly zero or infinite is brought to where it has a reciprocal
_SCALE = {FLOAT: 2.0**64, DOUBLE: 2.0**512}


def joined(a: Kind, b: Kind) -> Kind:
    """The type in which numbers of two types meet."""
    if a == b:
        return a
    if INTEGER in (a, b) and BOOL in (a, b):
        return INTEGER
    if a in (FLOAT, DOUBLE) and b in (FLOAT, DOUBLE, INTEGER, BOOL):
        return DOUBLE
    if b in (FLOAT, DOUBLE):
        return joined(b, a)
    raise TypeError(f"{a} and {b} do not meet in one type")


def _met(builder: ir.IRBuilder, a: Any, b: Any) -> tuple[Any, Any]:
    """Two numbers in one type; truths count as 0 and 1."""
    kind = joined(a.type, b.type)
    kind = INTEGER if kind == BOOL else kind
    return brought(builder, a, kind), brought(builder, b, kind)


def binary(builder: ir.IRBuilder, operator: ast.operator, a: Any, b: Any) -> Any:
    """`a operator b`."""
    kind = type(operator)
    if a.type == b.type == BOOL and kind in _OF_BITS:
        return getattr(builder, _WHOLE[kind])(a, b)
    a, b = _met(builder, a, b)
    if kind is ast.Div:
        return builder.fdiv(brought(builder, a, _floating(a)), brought(builder, b, _floating(b)))
    if a.type == INTEGER:
        if kind in (ast.FloorDiv, ast.Mod):
            return _whole_division(builder, a, b)[kind is ast.Mod]
        if kind in _WHOLE:
            return getattr(builder, _WHOLE[kind])(a, b)
    elif kind in (ast.FloorDiv, ast.Mod):
        return _division(builder, a, b)[kind is ast.Mod]
    elif kind in _FLOATING:
        return getattr(builder, _FLOATING[kind])(a, b)
    if kind is ast.Pow:
        return _call(builder, "llvm.pow", *(brought(builder, x, _floating(x)) for x in (a, b)))
    raise TypeError(f"{kind.__name__} is not known between {a.type} and {b.type}")


def by_reciprocal(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
    """`a / b` as a product, of a b that is the same for many: all but the products is moved out of
    their loop. A b whose reciprocal has no room is scaled, and each a with it."""
    a, b = _met(builder, a, b)
    if b.type not in _SCALE:
        a, b = brought(builder, a, DOUBLE), brought(builder, b, DOUBLE)
    large, small = b.type(_SCALE[b.type]), b.type(1 / _SCALE[b.type])
    size = _call(builder, "llvm.fabs", b)
    scale = builder.select(builder.fcmp_ordered(">", size, large), small, b.type(1.0))
    scale = builder.select(builder.fcmp_ordered("<", size, small), large, scale)
    reciprocal = builder.fdiv(b.type(1.0), builder.fmul(b, scale))
    return builder.fmul(builder.fmul(a, scale), reciprocal)


def _floating(x: Any) -> Kind:
    return x.type if x.type in (FLOAT, DOUBLE) else DOUBLE


def _call(builder: ir.IRBuilder, name: str, *values: Any) -> Any:
    kind = values[0].type
    function = ir.FunctionType(kind, [kind] * len(values))
    return builder.call(builder.module.declare_intrinsic(name, [kind], function), values)


def power(builder: ir.IRBuilder, a: Any, exponent: int) -> Any:
    """A power with a whole number that is known: multiplied out."""
    if abs(exponent) > _MOST_PRODUCTS or (exponent < 0 and a.type in (INTEGER, BOOL)):
        return binary(
            builder, ast.Pow(), brought(builder, a, _floating(a)), DOUBLE(float(exponent))
        )
    a = brought(builder, a, joined(a.type, INTEGER)) if a.type == BOOL else a
    times: Callable[[Any, Any], Any] = builder.mul if a.type == INTEGER else builder.fmul
    found, square, left = None, a, abs(exponent)
    while left:
        if left & 1:
            found = square if found is None else times(found, square)
        left >>= 1
        square = times(square, square) if left else square
    found = a.type(1) if found is None else found
    return builder.fdiv(a.type(1), found) if exponent < 0 else found


def _whole_division(builder: ir.IRBuilder, a: Any, b: Any) -> tuple[Any, Any]:
    """Quotient and remainder, rounded down; 0 where b is 0, and where the quotient has no room."""
    a, b = brought(builder, a, INTEGER), brought(builder, b, INTEGER)
    zero, one, minus = INTEGER(0), INTEGER(1), INTEGER(-1)
    least = builder.icmp_signed("==", a, INTEGER(-(1 << 63)))
    overflows = builder.and_(least, builder.icmp_signed("==", b, minus))
    is_none = builder.or_(builder.icmp_signed("==", b, zero), overflows)
    divisor = builder.select(is_none, one, b)
    quotient, rest = builder.sdiv(a, divisor), builder.srem(a, divisor)
    turned = builder.icmp_signed("<", builder.xor(rest, divisor), zero)
    is_over = builder.and_(turned, builder.icmp_signed("!=", rest, zero))
    quotient = builder.select(is_over, builder.sub(quotient, one), quotient)
    rest = builder.select(is_over, builder.add(rest, divisor), rest)
    return builder.select(is_none, zero, quotient), builder.select(is_none, zero, rest)


def _division(builder: ir.IRBuilder, a: Any, b: Any) -> tuple[Any, Any]:
    """Quotient and remainder, rounded down, of floating point, as in Python: the remainder has the
    sign of b, and the quotient of 0 that of a / b."""
    kind = a.type
    zero, one = ir.Constant(kind, 0.0), ir.Constant(kind, 1.0)
    rest = builder.frem(a, b)
    quotient = builder.fdiv(builder.fsub(a, rest), b, flags=("contract",))
    is_some = builder.fcmp_unordered("!=", rest, zero)
    is_below = builder.fcmp_ordered("<", b, zero)
    turned = builder.xor(is_below, builder.fcmp_ordered("<", rest, zero))
    is_over = builder.and_(is_some, turned)
    nothing = builder.select(is_below, ir.Constant(kind, -0.0), zero)
    whole = builder.select(is_over, builder.fadd(rest, b), rest)
    quotient = builder.select(is_over, builder.fsub(quotient, one), quotient)
    floor = _call(builder, "llvm.floor", quotient)
    half = builder.fcmp_ordered(">", builder.fsub(quotient, floor), ir.Constant(kind, 0.5))
    floor = builder.select(half, builder.fadd(floor, one), floor)
    # times the reciprocal of a b that is nearly zero, 0 would be NaN
    ratio = builder.fdiv(a, b, flags=("contract",))
    signed = builder.fmul(builder.fmul(quotient, quotient), ratio)
    floor = builder.select(builder.fcmp_ordered("!=", quotient, zero), floor, signed)
    floor = builder.select(builder.fcmp_ordered("==", b, zero), ratio, floor)
    return floor, builder.select(is_some, whole, nothing)


def compared(builder: ir.IRBuilder, operator: ast.cmpop, a: Any, b: Any) -> Any:
    """`a operator b`, of numbers; NaN is equal to nothing."""
    sign = _COMPARISONS.get(type(operator))
    if sign is None:
        raise TypeError(f"{type(operator).__name__} is not known between numbers")
    a, b = _met(builder, a, b)
    if a.type == INTEGER:
        return builder.icmp_signed(sign, a, b)
    return (builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered)(sign, a, b)


def negative(builder: ir.IRBuilder, a: Any) -> Any:
    """`-a`."""
    a = brought(builder, a, INTEGER) if a.type == BOOL else a
    return builder.neg(a) if a.type == INTEGER else builder.fneg(a)


@word(INTEGER, INTEGER)
def smaller(builder: ir.IRBuilder, a: Any, b: Any) -> Any:
    """The smaller of two whole numbers."""
    return builder.select(builder.icmp_signed("<", b, a), b, a)
