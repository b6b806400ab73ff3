"""A kernel's file is read if it is whole, for the kernel that is wanted, and can be linked."""

import hashlib
import random

import llvmlite.binding as llvm
import pytest

from thalweg.fuse.cpu.compiler import machine
from thalweg.fuse.cpu.kernel_file import Label, packed, unpacked
from thalweg.fuse.cpu.object_code import Code, is_linkable, symbols_of

LABEL = Label("0123456789abcdef" * 4, "x86_64-unknown-linux-gnu znver4", 1)
NOTHING = 'define void @"kernel"(i64 %a) {\n  ret void\n}'
CALLS = """
declare double @"{called}"(double)
define double @"kernel"(double %a) {{
  %b = call double @"{called}"(double %a)
  ret double %b
}}
"""


def object_code(text):
    return machine().emit_object(llvm.parse_assembly(text))


def made(text=NOTHING):
    code = object_code(text)
    return Code(code, "kernel", symbols_of(code) or ())


def forged(code, function="kernel", symbols=()):
    """A file that keeps every rule of the header, around whatever code."""
    return packed(LABEL, Code(code, function, symbols))


def same_sum(content):
    """A file with the checksum that belongs to its changed lines."""
    head, _, code = content.partition(b"\n\n")
    lines = head.split(b"\n")[:-1]
    total = hashlib.sha256(b"\n".join(lines) + code).hexdigest().encode()
    return b"\n".join([*lines, b"sha256 " + total]) + b"\n\n" + code


def test_what_was_packed_comes_back():
    assert unpacked(LABEL, packed(LABEL, made())) == made()
    assert unpacked(LABEL, packed(LABEL, made(CALLS.format(called="exp")))).symbols == ("exp",)


def test_the_head_of_a_file_can_be_read_by_a_person():
    head = packed(LABEL, made()).split(b"\n\n")[0].decode().split("\n")
    assert head[:5] == [
        "thalweg kernel 2",
        f"key {LABEL.key}",
        f"machine {LABEL.machine}",
        "arguments 1",
        "function kernel",
    ]


@pytest.mark.parametrize(
    "other",
    [
        Label("f" * 64, LABEL.machine, 1),
        Label(LABEL.key, "aarch64-apple-darwin m1", 1),
        Label(LABEL.key, LABEL.machine, 2),
    ],
    ids=["another kernel", "another machine", "other arguments"],
)
def test_a_file_for_something_else_is_not_read(other):
    assert unpacked(other, packed(LABEL, made())) is None


def test_a_file_that_is_cut_off_anywhere_is_not_read():
    whole = packed(LABEL, made())
    assert all(unpacked(LABEL, whole[:end]) is None for end in range(len(whole)))
    assert unpacked(LABEL, whole + b"\0") is None


def test_a_file_with_one_changed_bit_is_not_read():
    whole, chance = packed(LABEL, made()), random.Random(0)
    for at in range(len(whole)):
        bit = 1 << chance.randrange(8)
        changed = whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]
        assert unpacked(LABEL, changed) is None


def test_random_bytes_are_not_read():
    chance = random.Random(1)
    for length in (0, 1, 100, 5000, 100_000):
        assert unpacked(LABEL, chance.randbytes(length)) is None
    assert unpacked(LABEL, b"\n\n") is None
    assert unpacked(LABEL, b"key " * 10_000 + b"\n\n") is None
    assert unpacked(LABEL, "thalweg kernel ²\n\n".encode()) is None


LINES = {
    "a line too many": (b"arguments 1\n", b"arguments 1\narguments 1\n"),
    "a line too few": (b"arguments 1\n", b""),
    "lines in another order": (b"function kernel\n", b"function kernel\nfunction other\n"),
    "another format": (b"kernel 2", b"kernel 3"),
    "a length that is no number": (b"\ncode ", b"\ncode x"),
    "a length that is huge": (b"\ncode ", b"\ncode 99999999999999999999999"),
    "a function with a blank": (b"function kernel", b"function ker nel"),
    "a function with a very long name": (b"function kernel", b"function " + b"k" * 2000),
    "a function that is not there": (b"function kernel", b"function colonel"),
    "a call of anything": (b"symbols ", b"symbols system"),
    "a call that the code does not make": (b"symbols ", b"symbols exp"),
    "blanks between the symbols": (b"symbols ", b"symbols  "),
}


@pytest.mark.parametrize("what", LINES)
def test_a_head_that_says_something_else_is_not_read(what):
    before, after = LINES[what]
    whole = packed(LABEL, made())
    changed = same_sum(whole.replace(before, after, 1))
    assert changed != whole
    assert unpacked(LABEL, changed) is None


def test_code_that_no_linker_could_take_is_not_read_whatever_its_checksum_says():
    code, chance = object_code(NOTHING), random.Random(2)
    assert unpacked(LABEL, forged(code)) is not None
    assert unpacked(LABEL, forged(b"")) is None
    for end in range(0, len(code), 7):
        assert unpacked(LABEL, forged(code[:end])) is None
        rest = chance.randbytes(len(code) - end)
        assert unpacked(LABEL, forged(code[:end] + rest)) is None
    assert unpacked(LABEL, forged(chance.randbytes(3000))) is None


def test_code_that_calls_what_is_not_on_the_list_is_not_read():
    code = object_code(CALLS.format(called="system"))
    assert unpacked(LABEL, forged(code)) is None  # whether the head admits to it
    assert unpacked(LABEL, forged(code, symbols=("system",))) is None  # or not
    assert not is_linkable(made(CALLS.format(called="PyGILState_Ensure")))


def test_code_without_the_function_is_not_read():
    code = object_code(NOTHING.replace("kernel", "colonel"))
    assert unpacked(LABEL, forged(code)) is None
    assert unpacked(LABEL, forged(code, function="colonel")) is not None
