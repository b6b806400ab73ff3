"""The angle of a point, as LLVM instructions: written out, so that a loop with it is vectorized.

C's `atan2` is a call for each element, which costs several times the memory of a step.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir

from thalweg.fuse.cpu.word import ALIKE, word

__all__ = ["atan2"]

# (atan(z) / z - 1) / z^2 as a polynomial in z^2, the highest power first, for |z| <= tan(pi / 8):
# interpolated at Chebyshev's points, 1/20 of the type's rounding off at most
_POLYNOMIALS: dict[ir.Type, tuple[float, ...]] = {
    ir.FloatType(): (
        -0.06451928208121749,
        0.10743731490791084,
        -0.1426395559798464,
        0.19999540483648964,
        -0.3333333176116852,
    ),
    ir.DoubleType(): (
        -0.01917688711906226,
        0.03923165829558719,
        -0.0508544973794026,
        0.0585814891280221,
        -0.06664511447381948,
        0.07692183190826087,
        -0.09090904578123903,
        0.11111111015256361,
        -0.14285714284666542,
        0.1999999999999552,
        -0.3333333333333333,
    ),
}


def _first_octants(builder: ir.IRBuilder, q: Any) -> Any:
    """The arctangent of a number from 0 to 1."""
    kind = q.type
    one = ir.Constant(kind, 1.0)
    # atan(q) = pi / 4 + atan((q - 1) / (q + 1)), which is nearer to 0 in the upper half
    is_upper = builder.fcmp_ordered(">", q, ir.Constant(kind, math.tan(math.pi / 8)))
    moved = builder.fdiv(builder.fsub(q, one), builder.fadd(q, one))
    z = builder.select(is_upper, moved, q)
    base = builder.select(is_upper, ir.Constant(kind, math.pi / 4), ir.Constant(kind, 0.0))
    square = builder.fmul(z, z)
    first, *others = (ir.Constant(kind, c) for c in _POLYNOMIALS[kind])
    total = first
    for c in others:
        total = builder.fadd(builder.fmul(total, square), c)
    more = builder.fmul(builder.fmul(total, square), z)
    return builder.fadd(base, builder.fadd(z, more))


@word(ALIKE, ALIKE)
def atan2(builder: ir.IRBuilder, y: Any, x: Any) -> Any:
    """As `numpy.arctan2`, within a few units in the last place."""
    kind = y.type
    zero, one = ir.Constant(kind, 0.0), ir.Constant(kind, 1.0)
    magnitude = builder.module.declare_intrinsic("llvm.fabs", [kind])
    high, wide = builder.call(magnitude, [y]), builder.call(magnitude, [x])
    is_steep = builder.fcmp_ordered(">", high, wide)
    most, least = builder.select(is_steep, high, wide), builder.select(is_steep, wide, high)
    # 0 / 0 and infinity / infinity have an angle
    is_alike = builder.fcmp_ordered("==", least, most)
    some = builder.select(builder.fcmp_ordered(">", most, zero), one, zero)
    q = builder.select(is_alike, some, builder.fdiv(least, most))
    angle = _first_octants(builder, q)
    from_above = builder.fsub(ir.Constant(kind, math.pi / 2), angle)
    angle = builder.select(is_steep, from_above, angle)
    bits = builder.bitcast(x, ir.IntType(32 if kind == ir.FloatType() else 64))
    is_behind = builder.icmp_signed("<", bits, ir.Constant(bits.type, 0))  # -0 is, too
    angle = builder.select(is_behind, builder.fsub(ir.Constant(kind, math.pi), angle), angle)
    of_two = ir.FunctionType(kind, [kind, kind])
    signed = builder.module.declare_intrinsic("llvm.copysign", [kind], of_two)
    return builder.call(signed, [angle, y])
