"""Kernel text to machine code: by LLVM the first time, from a file of object code afterwards.

A process that finds all its kernels in files never imports LLVM, which alone takes a tenth of a
second to start. What a file must be to be used is in `kernel_file`, where it must lie in
`kernel_folder`; docs/kernel-cache.md says what is promised.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from thalweg import elementwise
from thalweg.fuse import storage
from thalweg.fuse.cpu import linking, processor
from thalweg.fuse.cpu.kernel_file import Label, packed, unpacked
from thalweg.fuse.cpu.object_code import Code, is_linkable
from thalweg.fuse.kernel_folder import folder
from thalweg.fuse.storage import FORMATS, Format

__all__ = ["compiled", "folder", "formats"]

_lock = threading.Lock()

# the files of this engine that decide what becomes of a text
_MAKERS = (
    *("arctangent", "arithmetic", "cache", "compiler", "conversion", "exponential", "memory"),
    *("translation", "word"),
)


@functools.cache
def compiled(text: str, title: str, arguments: int, holds_gil: bool = False) -> Callable[..., None]:
    """The kernel of a text as a C function of so many 64-bit integers.

    Other Python threads run beside it unless `holds_gil`.
    """
    with _lock:
        address = _linked(_found(text, title, arguments) or _made(text, title, arguments))
    kind = ctypes.PYFUNCTYPE if holds_gil else ctypes.CFUNCTYPE
    return kind(None, *[ctypes.c_int64] * arguments)(address)


def _linked(made: Code) -> int:
    """Where its function lies, in memory that can be run."""
    found = linking.link(made)
    if found is None:
        from thalweg.fuse.cpu import compiler

        found = compiler.link(made)
    return found


def _found(text: str, title: str, arguments: int) -> Code | None:
    """The code that an earlier process kept, if there is any that can be used."""
    place = folder()
    if place is None:
        return None
    label = _label(text, arguments)
    content = place.read(_name(title, label))
    found = None if content is None else unpacked(label, content)
    if found and all(linking.address_of(symbol) is not None for symbol in found.symbols):
        return found
    return None


def _made(text: str, title: str, arguments: int) -> Code:
    """The code, compiled now and kept for the next process."""
    from thalweg.fuse.cpu import compiler

    made, place = compiler.compile_text(text, arguments), folder()
    if place is not None and is_linkable(made):
        label = _label(text, arguments)
        place.write(_name(title, label), packed(label, made))
    return made


def _name(title: str, label: Label) -> str:
    """The file for a kernel: its title is for who looks at the folder."""
    return f"{re.sub('[^0-9A-Za-z_.+-]', '_', title)[:80]}-{label.key[:20]}.kernel"


def _label(text: str, arguments: int) -> Label:
    """What tells a kernel from all others: everything that its machine code depends on."""
    digest = hashlib.sha256("\0".join([*_surroundings(), str(arguments), text]).encode())
    return Label(digest.hexdigest(), processor.named(), arguments)


@functools.cache
def _surroundings() -> tuple[str, ...]:
    """What all kernels depend on: the compiler, the processor, this engine's own text."""
    own = [Path(__file__).with_name(f"{name}.py") for name in _MAKERS]
    engine = [*own, Path(storage.__file__), Path(elementwise.__file__)]
    texts = [path.read_text(encoding="utf-8") for path in engine]
    return version("llvmlite"), *processor.described(), *texts


@functools.cache
def formats() -> frozenset[str]:
    """The formats that this processor can convert.

    float16 takes an instruction; without it LLVM would call a function that nobody provides.
    """
    has_half = processor.converts_halves()
    return frozenset(
        name
        for name, form in FORMATS.items()
        if _is_elementwise(form) and (has_half or form.element != "float16")
    )


def _is_elementwise(form: Format) -> bool:
    """Whether a kernel can round a number alone: what several share is known after all of them."""
    return all(one.name == "residual" and one.per == 1 for one in form.companions)


def _forget() -> None:
    """In a forked child nobody holds the lock, whoever held it in the parent."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
