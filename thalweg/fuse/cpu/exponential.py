"""The exponential, as LLVM instructions: written out, so that a loop with it is vectorized.

C's `exp` is a call for each element, which costs several times the memory of a step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from thalweg.fuse.cpu.word import ALIKE, word

__all__ = ["exp"]


@dataclass(frozen=True)
class _Form:
    """What a type of floating point needs: where its exponent lies and what it starts from; from
    where on the result is 0 and infinity; ln 2 in two parts, of which a small whole number times
    the first is exact; (exp(r) - 1 - r) / r^2 as a polynomial, the highest power first, for
    |r| <= ln 2 / 2, interpolated at Chebyshev's points, 1/7 of the type's rounding off at most."""

    bits: int
    mantissa: int
    bias: int
    least: float
    most: float
    ln2: tuple[float, float]
    polynomial: tuple[float, ...]


_FORMS: dict[ir.Type, _Form] = {
    ir.FloatType(): _Form(
        bits=32,
        mantissa=23,
        bias=127,
        least=-105.0,
        most=90.0,
        ln2=(0.693145751953125, 1.4286068203094173e-06),
        polynomial=(
            0.0013926926614021907,
            0.008363773874405574,
            0.04166655011030512,
            0.16666573381900845,
            0.5,
        ),
    ),
    ir.DoubleType(): _Form(
        bits=64,
        mantissa=52,
        bias=1023,
        least=-746.0,
        most=711.0,
        ln2=(0.693147180559663, 2.8235290563031577e-13),
        polynomial=(
            2.0915442297780116e-09,
            2.5106274733573296e-08,
            2.75572718102198e-07,
            2.755725283351691e-06,
            2.4801587327007187e-05,
            0.00019841269876864356,
            0.0013888888888883327,
            0.008333333333325544,
            0.04166666666666667,
            0.1666666666666667,
            0.5,
        ),
    ),
}


@word(ALIKE)
def exp(builder: ir.IRBuilder, x: Any) -> Any:
    """As `numpy.exp`, within a few units in the last place: 2^n exp(r), r at most ln 2 / 2."""
    kind, form = x.type, _FORMS[x.type]
    whole = ir.IntType(form.bits)

    def of(value: float) -> ir.Constant:
        return ir.Constant(kind, value)

    # a NaN is neither, and stays what it is
    x = builder.select(builder.fcmp_ordered("<", x, of(form.least)), of(form.least), x)
    x = builder.select(builder.fcmp_ordered(">", x, of(form.most)), of(form.most), x)
    # beside so large a number there is room for no fraction: n stands in its last bits
    large = of(1.5 * 2.0**form.mantissa)
    shifted = builder.fadd(builder.fmul(x, of(1 / math.log(2))), large)
    n = builder.fsub(shifted, large)
    r = builder.fsub(x, builder.fmul(n, of(form.ln2[0])))
    r = builder.fsub(r, builder.fmul(n, of(form.ln2[1])))
    first, *others = map(of, form.polynomial)
    total = first
    for c in others:
        total = builder.fadd(builder.fmul(total, r), c)
    more = builder.fmul(builder.fmul(r, r), total)
    value = builder.fadd(of(1.0), builder.fadd(r, more))

    def power(k: Any) -> Any:
        exponent = builder.add(k, ir.Constant(whole, form.bias))
        return builder.bitcast(builder.shl(exponent, ir.Constant(whole, form.mantissa)), kind)

    count = builder.sub(builder.bitcast(shifted, whole), builder.bitcast(large, whole))
    # in two halves: 2^n may be too large, or too small, where the result is neither
    half = builder.ashr(count, ir.Constant(whole, 1))
    value = builder.fmul(value, power(half))
    return builder.fmul(value, power(builder.sub(count, half)))
