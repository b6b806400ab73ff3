"""A kernel's text means in machine code what it means in Python."""

import ast
import ctypes
import itertools
import math

import numpy as np
import pytest

from thalweg.fuse.cpu import compiler, linking
from thalweg.fuse.cpu.translation import translated

WORDS = """
from thalweg.fuse.cpu.memory import ROUND, double, integer, put_double, put_integer

narrow = ROUND["float32"]


def kernel(table):
"""
NUMBERS = [0.0, -0.0, 1.0, -1.5, 2.5, 7.0, -7.0, 1e300, math.inf, -math.inf, math.nan]
WHOLE = [0, 1, -1, 3, -3, 7, -8, 1 << 62, -(1 << 63), (1 << 63) - 1]


def run(lines, *inputs, wide=True, linker=linking.link):
    """What a kernel of these lines leaves in the last of some numbers, given those before."""
    table = np.array([*inputs, 0], np.float64 if wide else np.int64)
    body = "".join(f"    {line}\n" for line in lines)
    made = compiler.compile_text(WORDS + body, 1)
    function = ctypes.CFUNCTYPE(None, ctypes.c_int64)(linker(made))
    function(table.ctypes.data)
    return table[-1].item()


def of_each(expression, pairs, wide):
    """An expression of a and b for each pair, in one kernel."""
    read, put = ("double", "put_double") if wide else ("integer", "put_integer")
    lines = [
        f"for i in range({len(pairs)}):",
        f"    a, b = {read}(table, 3 * i), {read}(table, 3 * i + 1)",
        f"    {put}(table, 3 * i + 2, {expression})",
    ]
    table = np.zeros((len(pairs), 3), np.float64 if wide else np.int64)
    table[:, :2] = pairs
    made = compiler.compile_text(WORDS + "".join(f"    {line}\n" for line in lines), 1)
    ctypes.CFUNCTYPE(None, ctypes.c_int64)(linking.link(made))(table.ctypes.data)
    return table[:, 2]


@pytest.mark.parametrize(
    "expression",
    [
        *("a + b", "a - b", "a * b", "a / b", "a // b", "a % b", "-a", "+a", "a**3", "a**-2"),
        *("1.0 * (a < b)", "1.0 * (a != b)", "1.0 * (a == b)", "1.0 * (b >= a > 0)"),
        *("a if a > b else b", "1.0 * (a > 0 and not b > 1)", "1.0 * (a > 0 or b > 1)"),
    ],
)
def test_numbers_are_those_of_numpy(expression):
    pairs = list(itertools.product(NUMBERS, repeat=2))
    with np.errstate(all="ignore"):
        code = compile(ast.parse(expression, mode="eval"), "<test>", "eval")
        expected = [float(eval(code, {"a": np.float64(a), "b": np.float64(b)})) for a, b in pairs]
    np.testing.assert_allclose(of_each(expression, pairs, True), expected, rtol=1e-15)


@pytest.mark.parametrize("least", [5e-324, 1e-310])
def test_zero_divided_by_what_is_nearly_zero_is_zero(least):
    found = of_each("a // b", [(0.0, least), (0.0, -least), (least, least)], True)
    assert found.tolist() == [0.0, 0.0, 1.0]


def test_what_is_known_before_the_step_is_divided_by_once():
    assert "fmul" in quotient("float32")
    assert "fdiv" in quotient("measured float32")


def quotient(told):
    """The last instruction of what divides by a number that was rounded so."""
    text = f"{WORDS.replace('float32', told)}    b = narrow(double(table, 0))\n"
    text += "    put_double(table, 2, double(table, 1) / b)\n"
    lines = [one for one in str(translated(text, 1)).split("\n") if "fmul" in one or "fdiv" in one]
    return lines[-1]


@pytest.mark.parametrize(
    ("kind", "least", "most"), [("float32", 1e-45, 3e38), ("float64", 5e-324, 1.7e308)]
)
def test_a_number_without_a_reciprocal_is_divided_by_like_any_other(kind, least, most):
    divisors = [least, -least, 1e5 * least, 3.0, -most, most, 0.0, math.inf, math.nan]
    pairs = [(x, b) for b in divisors for x in (0.0, 0.7 * b, -3 * b, 1e-5, 1e5, math.inf)]
    of_kind = np.dtype(kind).type
    lines = [
        f"for i in range({len(pairs)}):",
        "    b = narrow(double(table, 3 * i + 1))",
        "    put_double(table, 3 * i + 2, narrow(double(table, 3 * i)) / b)",
    ]
    table = np.zeros((len(pairs), 3))
    with np.errstate(all="ignore"):
        table[:, :2] = np.array(pairs, kind)
        expected = table[:, 0].astype(kind) / table[:, 1].astype(kind)
    body = "".join(f"    {line}\n" for line in lines)
    made = compiler.compile_text(WORDS.replace("float32", kind) + body, 1)
    ctypes.CFUNCTYPE(None, ctypes.c_int64)(linking.link(made))(table.ctypes.data)
    close = float(np.finfo(of_kind).eps)
    np.testing.assert_allclose(table[:, 2], expected, rtol=2 * close, atol=0)


@pytest.mark.parametrize(
    "expression", ["a + b", "a * b", "a // b", "a % b", "a & b", "a ^ b", "~a", "min(a, b)"]
)
def test_whole_numbers_wrap_and_divide_as_in_numpy(expression):
    pairs = list(itertools.product(WHOLE, repeat=2))
    code = compile(ast.parse(expression, mode="eval"), "<test>", "eval")
    with np.errstate(all="ignore"):
        expected = [int(eval(code, {"a": np.int64(a), "b": np.int64(b)})) for a, b in pairs]
    if "//" in expression:  # NumPy gives the least number, by a rule of its own
        overflows = pairs.index((-(1 << 63), -1))
        expected[overflows] = 0
    assert of_each(expression, pairs, False).tolist() == expected


def test_a_number_is_narrow_until_it_meets_a_wide_one():
    lines = ["a = narrow(double(table, 0))", "put_double(table, 1, {})"]
    third = float(np.float32(1 / 3))
    assert run([lines[0], lines[1].format("a * a")], 1 / 3) == float(np.float32(third) ** 2)
    assert run([lines[0], lines[1].format("a * 1.0 * a")], 1 / 3) == third * third


def test_a_name_has_one_type_behind_a_branch():
    lines = ["a = 1", "if double(table, 0) > 0:", "    a = 0.5", "put_double(table, 1, a / 2)"]
    assert [run(lines, x) for x in (1.0, -1.0)] == [0.25, 0.5]


def test_loops_are_left_and_gone_on_with():
    lines = [
        *("total, n = 0, integer(table, 0)", "while True:", "    n -= 1"),
        *("    if n < 0:", "        break", "    if n % 2 == 0:", "        continue"),
        *("    for i in range(n, 2 * n, 2):", "        total += i", "        i = 0"),
        "put_integer(table, 1, total)",
    ]
    expected = sum(sum(range(n, 2 * n, 2)) for n in range(1, 20, 2))
    assert run(lines, 20, wide=False) == expected


def test_what_stands_behind_a_condition_that_decides_is_not_read():
    lines = ["at = integer(table, 0)", "put_integer(table, 1, 7)"]
    lines += ["if at != 0 and integer(at, 0) > 0:", "    put_integer(table, 1, 8)"]
    assert run(lines, 0, wide=False) == 7


def test_both_linkers_make_the_same_of_it():
    lines = ["a = double(table, 0)", "put_double(table, 1, a % 3 + a ** 1.7 + 0.1)"]
    found = [run(lines, 7.25, linker=one) for one in (linking.link, compiler.link)]
    assert found[0] == found[1] == pytest.approx(7.25 % 3 + 7.25**1.7 + 0.1, rel=1e-15)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a = unknown(table)", "unknown has no value here"),
        ("a = len(table)", "calls no word"),
        ("a = table.x", "Attribute"),
        ("a = 'text'", "is no number"),
        ("table[0] = 1", "a name was expected"),
        ("a = -table if 0.5 in table else 1", "Compare|In"),
        ("a = integer(table)", "takes 2 arguments, got 1"),
        ("a = integer(table, 0.5)", "a whole number was expected"),
        ("return table", "Return"),
        ("a = put_integer(table, 0, 1)", "has no value"),
    ],
)
def test_what_no_kernel_says_is_refused_with_its_line(line, why):
    with pytest.raises(TypeError, match=why) as error:
        translated(f"{WORDS}    {line}\n", 1)
    assert line.split("\n")[0] in str(error.value)


def test_a_name_that_one_way_leaves_without_a_value_has_none_behind():
    text = f"{WORDS}    if table > 0:\n        a = 1\n    put_integer(table, 0, a)\n"
    with pytest.raises(TypeError, match="a has no value here"):
        translated(text, 1)


def test_a_name_that_changes_its_type_in_a_loop_is_refused():
    text = f"{WORDS}    a = 0\n    for i in range(3):\n        a = a + 0.5\n"
    with pytest.raises(TypeError, match="a is of another type after a round"):
        translated(text, 1)
