"""The cube root, as LLVM instructions: written out, so that a loop with it is vectorized.

C's `pow` and `cbrt` are a call for each element, which costs several times the memory of a step.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from thalweg.fuse.cpu.word import ALIKE, word

__all__ = ["cbrt"]

_I32, _I64 = ir.IntType(32), ir.IntType(64)

# by type: below which size a number is multiplied, and its root divided, by powers of two; how
# often Halley's step, which triples the digits, is then taken
_SCALED = {
    ir.FloatType(): (2.0**-100, 2.0**48, 2.0**-16, 1),
    ir.DoubleType(): (2.0**-1000, 2.0**108, 2.0**-36, 3),
}

# A third of a number's bits, taken as a whole number, has a third of its exponent; this puts back
# what the exponent's middle has lost, (127 - 0.0497) 2/3 in units of 2^23: the 0.0497 makes the
# largest errors of the two signs alike.
_MAGIC = 709_958_130


def _estimate(builder: ir.IRBuilder, x: Any) -> Any:
    """A number within four hundredths of the root of a positive normal one."""
    kind = x.type
    if kind == ir.FloatType():
        bits = builder.zext(builder.bitcast(x, _I32), _I64)
    else:  # its upper half says enough
        bits = builder.lshr(builder.bitcast(x, _I64), _I64(32))
    third = builder.lshr(builder.mul(bits, _I64(0x55555556)), _I64(32))
    if kind == ir.FloatType():
        found = builder.add(third, _I64(_MAGIC))
        return builder.bitcast(builder.trunc(found, _I32), kind)
    # 1023 and 127 are the middles of the exponents, whose units are 2^20 and 2^23
    magic = round((_MAGIC / 2**23 - 127 * 2 / 3 + 1023 * 2 / 3) * 2**20)
    return builder.bitcast(builder.shl(builder.add(third, _I64(magic)), _I64(32)), kind)


def _halley(builder: ir.IRBuilder, x: Any, y: Any) -> Any:
    """y - y (y^3 - x) / (2 y^3 + x), in quarters, so that none is too large: of what is small the
    rounding is small."""
    quarter = ir.Constant(x.type, 0.25)
    cube = builder.fmul(builder.fmul(builder.fmul(quarter, y), y), y)
    part = builder.fmul(quarter, x)
    over = builder.fadd(builder.fadd(cube, cube), part)
    away = builder.fdiv(builder.fsub(cube, part), over)
    return builder.fsub(y, builder.fmul(y, away))


@word(ALIKE)
def cbrt(builder: ir.IRBuilder, x: Any) -> Any:
    """As `numpy.cbrt`, within a unit or two in the last place; of single precision, the nearest."""
    kind = x.type
    least, up, down, steps = _SCALED[kind]
    size = builder.call(builder.module.declare_intrinsic("llvm.fabs", [kind]), [x])
    is_small = builder.fcmp_ordered("<", size, ir.Constant(kind, least))
    lifted = builder.fmul(size, ir.Constant(kind, up))
    number = builder.select(is_small, lifted, size)
    root = _estimate(builder, number)
    for _step in range(steps):
        root = _halley(builder, number, root)
    if kind == ir.FloatType():  # to the last digit: once more in double
        wide = [builder.fpext(one, ir.DoubleType()) for one in (number, root)]
        root = builder.fptrunc(_halley(builder, *wide), kind)
    lowered = builder.fmul(root, ir.Constant(kind, down))
    root = builder.select(is_small, lowered, root)
    is_below = builder.fcmp_ordered("<", x, ir.Constant(kind, 0.0))
    root = builder.select(is_below, builder.fneg(root), root)
    # zero, infinity and NaN are their own roots
    is_number = builder.and_(
        builder.fcmp_ordered(">", size, ir.Constant(kind, 0.0)),
        builder.fcmp_ordered("<", size, ir.Constant(kind, float("inf"))),
    )
    return builder.select(is_number, root, x)
