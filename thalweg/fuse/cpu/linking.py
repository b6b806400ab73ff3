"""Object code into memory, without LLVM: to import it takes longer than all that is done here.

Only what kernels consist of is known: sections that are read or run, and addresses in them. Other
code is left to LLVM's linker (`compiler.link`). Code has been looked at before (`object_code`):
every place and symbol in it is where it says.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import struct
import sys

from thalweg.fuse.cpu.object_code import Code, Relocation, Section, Symbol, contents

__all__ = ["address_of", "link"]

_IN_MEMORY = 2  # a flag of a section
_UNDEFINED, _ABSOLUTE = 0, 0xFFF1
_ADDRESS, _DISTANCE, _FAR_DISTANCE = 1, 2, 24  # kinds of relocations: S + A, and S + A - P
_READ, _WRITE, _RUN = 1, 2, 4  # what may be done with memory

_memory: list[mmap.mmap] = []  # what is run, for as long as the process does


def address_of(symbol: str) -> int | None:
    """Where a function of C's library lies, if this process has it."""
    try:
        return ctypes.cast(getattr(_library(), symbol), ctypes.c_void_p).value
    except AttributeError:
        return None


@functools.cache
def _library() -> ctypes.CDLL:
    """C's library as Python itself has it: with the functions of arithmetic."""
    if sys.platform == "win32":
        return ctypes.CDLL("ucrtbase")
    known = ctypes.CDLL(None)
    return known if hasattr(known, "exp") else ctypes.CDLL("libm.so.6")


def link(made: Code) -> int | None:
    """The address of the function of object code in memory where it can run; None if it is of a
    kind that is not known here, or the system has none of its own kind."""
    known = contents(made.code) if sys.platform == "linux" else None
    if known is None:
        return None
    sections, symbols, relocations = known
    places, size = _laid_out(sections)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=_READ | _WRITE)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for number, at in places.items():
        section = sections[number]
        if not section.is_empty:
            memory[at : at + section.size] = made.code[section.at : section.at + section.size]
    values = [_value(one, {number: base + at for number, at in places.items()}) for one in symbols]
    for one in relocations:
        if one.section in places and not _fill(memory, base, places[one.section], one, values):
            return None
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if protect(base, size, _READ | _RUN):
        return None
    _memory.append(memory)
    (function,) = (v for one, v in zip(symbols, values, strict=True) if one.name == made.function)
    return function


def _laid_out(sections: list[Section]) -> tuple[dict[int, int], int]:
    """Where each section that the code needs goes, and how long all are together."""
    places, end = {}, 0
    for number, section in enumerate(sections):
        if section.flags & _IN_MEMORY and section.size and section.alignment <= mmap.PAGESIZE:
            start = -(-end // max(section.alignment, 1)) * max(section.alignment, 1)
            places[number], end = start, start + section.size
    return places, -(-max(end, 1) // mmap.PAGESIZE) * mmap.PAGESIZE


def _value(symbol: Symbol, bases: dict[int, int]) -> int | None:
    """The address that a symbol stands for."""
    if symbol.place == _UNDEFINED:
        return address_of(symbol.name) if symbol.name else None
    if symbol.place == _ABSOLUTE:
        return symbol.value
    base = bases.get(symbol.place)
    return None if base is None else base + symbol.value


def _fill(
    memory: mmap.mmap, base: int, start: int, one: Relocation, values: list[int | None]
) -> bool:
    """Fill in a place; whether that could be done."""
    value, at = values[one.symbol], start + one.at
    if value is None:
        return False
    total = value + one.more
    if one.kind == _ADDRESS:
        form, number = "<Q", total % (1 << 64)
    elif one.kind in (_DISTANCE, _FAR_DISTANCE):
        form, number = ("<i" if one.kind == _DISTANCE else "<q"), total - (base + at)
    else:
        return False
    try:
        struct.pack_into(form, memory, at, number)
    except struct.error:  # too far away
        return False
    return True
