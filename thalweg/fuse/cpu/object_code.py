"""Object code and what it refers to, looked at before a linker is.

A linker trusts what it is given: a file that is cut off, of another machine, or one that asks
for a function nobody has, ends the process. So the tables that it follows are followed here first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "LIBRARY",
    "Code",
    "Relocation",
    "Section",
    "Symbol",
    "contents",
    "is_linkable",
    "symbols_of",
]

# What machine code may call: C's arithmetic and its memory functions, which every process has.
_ARITHMETIC = ["exp", "log", "pow", "fmod", "floor", "ceil", "trunc", "rint", "sqrt", "fma"]
LIBRARY = frozenset(
    [*_ARITHMETIC, *(f"{name}f" for name in _ARITHMETIC), "memcpy", "memmove", "memset"]
)

_MAGIC, _START = b"\x7fELF\x02\x01\x01", 64  # 64 bits, the low byte first
_RELOCATABLE = 1  # of the kinds of files
_SYMBOLS, _TEXTS, _RELOCATIONS, _EMPTY = 2, 3, 4, 8  # of the kinds of sections
_UNDEFINED, _ABSOLUTE, _COMMON = 0, 0xFFF1, 0xFFF2  # places of a symbol that are no section
_ENTRY = 24  # bytes of a symbol, and of a relocation
_SYMBOL_KINDS = range(5)
_LARGEST_COMMON = 1 << 12
_X86_64 = 62
# by machine: x86-64 and 64-bit ARM, and the relocations that LLVM's linker knows of each
_RELOCATION_KINDS = {_X86_64: {0, 1, 2, 4, 10, 11, 24}, 183: {0, *range(257, 315)}}


@dataclass(frozen=True)
class Code:
    """Object code, the name of its function, and the functions of others that it calls."""

    code: bytes
    function: str
    symbols: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """One entry of the table of sections: what `flags` has bit 2 of lies in memory when it runs."""

    name: int
    kind: int
    flags: int
    at: int
    size: int
    link: int
    info: int
    alignment: int

    @property
    def is_empty(self) -> bool:
        """Whether it has room in memory only, all zero."""
        return self.kind == _EMPTY


@dataclass(frozen=True)
class Symbol:
    """A name, the section it lies in, and where there."""

    name: str
    place: int
    value: int


@dataclass(frozen=True)
class Relocation:
    """A place in a section to be filled in with a symbol's address plus something."""

    section: int
    at: int
    kind: int
    symbol: int
    more: int


def is_linkable(made: Code) -> bool:
    """Whether the function is there, and everything the code asks for is known to every process."""
    if not set(made.symbols) <= LIBRARY:
        return False
    if not _is_elf(made.code):  # of other systems the name and the checksum say enough
        return _is_foreign(made.code)
    try:
        sections = _sections(made.code)
        names = list(_names(made.code, sections))
        list(_relocations(made.code, sections, len(names)))
    except (struct.error, ValueError, IndexError):
        return False
    defined = {one.name for one in names if one.place not in (_UNDEFINED, _ABSOLUTE)}
    return made.function in defined and _asked(names) == set(made.symbols)


def symbols_of(code: bytes) -> tuple[str, ...] | None:
    """The functions of others that object code calls; None where its form is not known here."""
    if not _is_elf(code):
        return None
    return tuple(sorted(_asked(list(_names(code, _sections(code))))))


def contents(code: bytes) -> tuple[list[Section], list[Symbol], list[Relocation]] | None:
    """What a linker needs to know of object code for x86-64; None for any other."""
    if not _is_elf(code) or struct.unpack_from("<H", code, 18) != (_X86_64,):
        return None
    sections = _sections(code)
    if [section.kind for section in sections].count(_SYMBOLS) != 1:
        return None  # relocations count the symbols of one table
    symbols = list(_names(code, sections))
    return sections, symbols, list(_relocations(code, sections, len(symbols)))


def _asked(names: list[Symbol]) -> set[str]:
    return {one.name for one in names if one.place == _UNDEFINED and one.name}


def _is_elf(code: bytes) -> bool:
    return code.startswith(_MAGIC)


def _is_foreign(code: bytes) -> bool:
    """Whether it is an object file as macOS has them."""
    return code.startswith(b"\xcf\xfa\xed\xfe")


def _sections(code: bytes) -> list[Section]:
    """The table of sections, each of which lies inside the file."""
    kind, machine = struct.unpack_from("<HH", code, 16)
    (at,) = struct.unpack_from("<Q", code, 40)
    length, count, names = struct.unpack_from("<HHH", code, 58)
    known = machine in _RELOCATION_KINDS and kind == _RELOCATABLE and length == _START
    if not known or not 0 < names < count:
        raise ValueError("no object file of a machine that is known")
    found = []
    for i in range(count):
        name, kind, flags, _, *fields, entry = struct.unpack_from(
            "<IIQQQQIIQQ", code, at + i * length
        )
        found.append(Section(name, kind, flags, *fields))
        _check_section(code, found[-1], entry)
    if max(section.name for section in found) >= _texts(found, names).size:
        raise ValueError("a section has no name")
    return found


def _texts(sections: list[Section], number: int) -> Section:
    """A section that must hold names."""
    if sections[number].kind != _TEXTS:
        raise ValueError("a table of names is none")
    return sections[number]


def _check_section(code: bytes, section: Section, entry: int) -> None:
    end, alignment = section.at + section.size, section.alignment
    if section.kind == _EMPTY:
        end = section.size  # it takes its room in memory only
    if end > len(code) or alignment & (alignment - 1) or alignment > len(code):
        raise ValueError("a section ends behind the file")
    if section.kind == _TEXTS and code[end - 1] != 0:
        raise ValueError("a table of names has no end")
    if section.kind in (_SYMBOLS, _RELOCATIONS) and entry != _ENTRY:
        raise ValueError("a table with entries of another length")


def _names(code: bytes, sections: list[Section]) -> Iterator[Symbol]:
    """Every symbol."""
    for section in sections:
        if section.kind == _SYMBOLS:
            texts = _texts(sections, section.link)
            names = code[texts.at : texts.at + texts.size]
            table = code[section.at : section.at + section.size]
            for name, kind, _, place, value, size in struct.iter_unpack("<IBBHQQ", table):
                is_large = place == _COMMON and max(value, size) > _LARGEST_COMMON
                is_placed = place < len(sections) or place in (_ABSOLUTE, _COMMON)
                if kind & 15 not in _SYMBOL_KINDS or is_large or not is_placed:
                    raise ValueError("a symbol of a kind that kernels have none of")
                text = names[name : names.index(b"\0", name)].decode("ascii")
                yield Symbol(text, place, value)


def _relocations(code: bytes, sections: list[Section], symbols: int) -> Iterator[Relocation]:
    """Every place to be filled in: it lies in its section, and names a symbol that there is."""
    (machine,) = struct.unpack_from("<H", code, 18)
    for section in sections:
        if section.kind == _RELOCATIONS:
            table = code[section.at : section.at + section.size]
            for place, what, more in struct.iter_unpack("<QQq", table):
                known = what & 0xFFFFFFFF in _RELOCATION_KINDS[machine]
                if not known or place >= sections[section.info].size or what >> 32 >= symbols:
                    raise ValueError("a relocation leads nowhere")
                yield Relocation(section.info, place, what & 0xFFFFFFFF, what >> 32, more)
