"""The words of the language as Triton has them, for blocks of numbers.

Beside arithmetic they use what a device and Triton's interpreter both have, and nothing of CUDA's
own library. A root and a quotient are rounded to nearest, as everybody else rounds them.
"""

import triton
import triton.language as tl

__all__ = [
    "added",
    "atan2",
    "cbrt",
    "divided",
    "exp",
    "larger",
    "log",
    "maximum",
    "minimum",
    "modulo",
    "narrowed",
    "negative",
    "number_at",
    "power",
    "quotient",
    "sign",
    "sqrt",
    "summed",
    "widened",
]

# Infinity and NaN are written out where they are meant: Triton asks at every launch whether a name
# outside of a kernel means what it meant, and NaN equals nothing.


@triton.jit
def widened(x):
    """A bfloat16's bits as the number that they are."""
    return (x.to(tl.uint32) << 16).to(tl.float32, bitcast=True)


@triton.jit
def narrowed(x):
    """A number as a bfloat16's bits, rounded to nearest, ties to even: Triton's interpreter cuts
    off what a device rounds."""
    bits = x.to(tl.uint32, bitcast=True)
    rounded = (bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16
    return tl.where(x != x, 0x7FC0, rounded).to(tl.uint16)


@triton.jit
def maximum(a, b):
    """NaN if either is."""
    return tl.where(a != a, a, tl.where(a > b, a, b))


@triton.jit
def minimum(a, b):
    """NaN if either is."""
    return tl.where(a != a, a, tl.where(a < b, a, b))


@triton.jit
def sign(x):
    """-1, 0 or 1; NaN stays NaN."""
    return tl.where(x > 0, 1.0, tl.where(x < 0, -1.0, x))


@triton.jit
def negative(x):
    """-x, of zero too: Triton's own subtracts from zero."""
    return x * -1.0


@triton.jit
def divided(a, b):
    """a / b, rounded to nearest: of doubles it always is."""
    return a / b if a.dtype == tl.float64 else tl.div_rn(a, b)


@triton.jit
def sqrt(x):
    """The square root, rounded to nearest: of doubles it always is."""
    return tl.sqrt(x) if x.dtype == tl.float64 else tl.sqrt_rn(x)


@triton.jit
def _halley(x, y):
    """A better cube root of x: y - y (y^3 - x) / (2 y^3 + x), in quarters, so that none is too
    large."""
    cube = 0.25 * y * y * y
    part = 0.25 * x
    return y - y * tl.div_rn(cube - part, cube + cube + part)


@triton.jit
def _cbrt_of_single(x):
    """The cube root of single precision: a third of a number's bits has a third of its exponent."""
    size = tl.abs(x)
    is_number = (size > 0) & (size < float("inf"))
    is_small = size < 7.888609052210118e-31  # 2^-100
    a = tl.where(is_number, tl.where(is_small, size * 281474976710656.0, size), 1.0)  # 2^48
    third = a.to(tl.int32, bitcast=True) // 3 + 709958130
    root = _halley(a, _halley(a, third.to(tl.float32, bitcast=True)))
    square, more = _exact_product(root, root)
    cube, rest = _exact_product(square, root)
    root = root - tl.div_rn(cube - a + (rest + more * root), 3.0 * square)  # to the last digit
    root = tl.where(is_small, root * 1.52587890625e-05, root)  # 2^-16
    return tl.where(is_number, tl.where(x < 0, root * -1.0, root), x)


@triton.jit
def cbrt(x):
    """The cube root."""
    return _cbrt_of_double(x) if x.dtype == tl.float64 else _cbrt_of_single(x)


@triton.jit
def _cbrt_of_double(x):
    """The cube root of double precision: from the logarithm, and a step of Newton's."""
    size = tl.abs(x)
    is_number = (size > 0) & (size < float("inf"))
    is_small = size < 1e-290  # its cube would lose digits
    a = tl.where(is_number, tl.where(is_small, size * 5.78960446186581e76, size), 1.0)  # 2^255
    root = tl.exp(tl.log(a) / 3)
    root = root - (root * root * root - a) / (3 * root * root)
    root = tl.where(is_small, root * 2.5849394142282115e-26, root)  # 2^-85
    return tl.where(is_number, tl.where(x < 0, root * -1.0, root), x)


@triton.jit
def exp(x):
    """The exponential, by way of double: a device's own in single precision is a guess."""
    return tl.exp(x.to(tl.float64)).to(x.dtype)


@triton.jit
def log(x):
    """The natural logarithm, by way of double."""
    return tl.log(x.to(tl.float64)).to(x.dtype)


@triton.jit
def _exact_product(a, b):
    """a b and what was rounded off it, by Dekker and Veltkamp."""
    upper: tl.constexpr = 134217729.0 if a.dtype == tl.float64 else 4097.0  # half of the digits
    c, d = a * upper, b * upper
    a1, b1 = c - (c - a), d - (d - b)
    a2, b2 = a - a1, b - b1
    p = a * b
    return p, a2 * b2 - (((p - a1 * b1) - a2 * b1) - a1 * b2)


@triton.jit
def power(x, y):
    """x to the power of y: exp(y log x) in double, with what both round off put back."""
    a, b = tl.broadcast(x.to(tl.float64), y.to(tl.float64))
    size = tl.abs(a)
    high = tl.log(size)
    low = size * tl.exp(high * -1.0) - 1.0
    low = tl.where(tl.abs(low) < 1e-3, low, 0.0)  # not of zero and infinity
    found, rest = _exact_product(b, high)
    rest = rest + b * low
    rest = tl.where(tl.abs(rest) < 1e-3, rest, 0.0)
    found = tl.exp(found)
    found = tl.where(found < float("inf"), found + found * rest, found)
    is_whole = tl.floor(b) == b
    is_odd = is_whole & (tl.floor(b * 0.5) != b * 0.5)
    found = tl.where(
        a < 0, tl.where(is_odd, found * -1.0, tl.where(is_whole, found, float("nan"))), found
    )
    found = tl.where(b == 1, a, found)
    return tl.where((b == 0) | (a == 1), 1.0, found).to(x.dtype)


@triton.jit
def _octant(q):
    """The arctangent of a number from 0 to 1: a polynomial of the square of what is at most
    tan(pi / 8), the highest power first."""
    is_upper = q > 0.41421356237309503
    z = tl.where(is_upper, divided(q - 1.0, q + 1.0), q)
    s = z * z
    if q.dtype == tl.float64:
        total = s * -0.01917688711906226 + 0.03923165829558719
        total = total * s - 0.0508544973794026
        total = total * s + 0.0585814891280221
        total = total * s - 0.06664511447381948
        total = total * s + 0.07692183190826087
        total = total * s - 0.09090904578123903
        total = total * s + 0.11111111015256361
        total = total * s - 0.14285714284666542
        total = total * s + 0.1999999999999552
        total = total * s - 0.3333333333333333
    else:
        total = s * -0.06451928208121749 + 0.10743731490791084
        total = total * s - 0.1426395559798464
        total = total * s + 0.19999540483648964
        total = total * s - 0.3333333176116852
    angle = z + total * s * z
    return tl.where(is_upper, angle + 0.7853981633974483, angle)


@triton.jit
def _is_behind(x):
    """Whether the sign of a number is a minus, of zero too."""
    if x.dtype == tl.float64:
        found = x.to(tl.int64, bitcast=True) < 0
    else:
        found = x.to(tl.int32, bitcast=True) < 0
    return found


@triton.jit
def atan2(y, x):
    """The angle of a point, within a few units in the last place; NaN if either is."""
    y, x = tl.broadcast(y, x)
    high, wide = tl.abs(y), tl.abs(x)
    is_steep = high > wide
    most, least = tl.where(is_steep, high, wide), tl.where(is_steep, wide, high)
    # 0 / 0 and infinity / infinity have an angle
    q = tl.where(least == most, tl.where(most > 0, 1.0, most), divided(least, most))
    angle = _octant(q)
    angle = tl.where(is_steep, 1.5707963267948966 - angle, angle)
    angle = tl.where(_is_behind(x), 3.141592653589793 - angle, angle)
    return tl.where(_is_behind(y), angle * -1.0, angle)


@triton.jit
def modulo(a, b):
    """a % b as Python has it: with the sign of b."""
    rest = a % b
    return tl.where((rest != 0) & ((rest < 0) != (b < 0)), rest + b, rest)


@triton.jit
def quotient(a, b):
    """a // b as Python has it: rounded down."""
    nearest = divided(a - modulo(a, b), b)
    low = tl.floor(nearest)
    return tl.where(nearest - low > 0.5, low + 1, low)


@triton.jit
def number_at(at, mask):
    """The number that lies at each address, as a double: one whose lowest bit is set is a double's,
    and else a single's."""
    is_double = (at & 1) != 0
    place = at - (at & 1)
    single = place.to(tl.pointer_type(tl.float32))
    double = place.to(tl.pointer_type(tl.float64))
    narrow = tl.load(single, mask=mask & ~is_double, other=0.0).to(tl.float64)
    return tl.where(is_double, tl.load(double, mask=mask & is_double, other=0.0), narrow)


@triton.jit
def larger(total, value):
    """The larger of what was found so far and some values, in double."""
    return maximum(total, value.to(tl.float64))


@triton.jit
def added(total, value):
    """What was added up so far and some values, in double."""
    return total + value.to(tl.float64)


@triton.jit
def summed(x, axis: tl.constexpr):
    """The sum along an axis, always in the same order."""
    return tl.sum(x, axis)


@triton.jit
def largest(x, axis: tl.constexpr):
    """The largest along an axis; NaN if one is."""
    is_nan = tl.max((x != x).to(tl.int32), axis)
    found = tl.max(tl.where(x != x, float("-inf"), x), axis)
    return tl.where(is_nan > 0, float("nan"), found)
