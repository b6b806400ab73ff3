"""Kernel text to machine code: by Numba the first time, from a file of object code afterwards.

The file is ours, not Numba's: a process that finds all its kernels there never imports Numba,
which alone takes half a second to start. A file is used only if its checksum holds and every
symbol it refers to is there, for a linker that finds one missing ends the process.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import pickle
import platform
import re
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite.binding as llvm

from thalweg import elementwise
from thalweg.fuse.storage import FORMATS

__all__ = ["compiled", "folder", "formats"]

_lock = threading.Lock()
_engines: list[Any] = []  # what owns the machine code, for as long as the process runs


@dataclass(frozen=True)
class _Code:
    """Object code, the name of its function, and the symbols it expects to find."""

    code: bytes
    function: str
    symbols: tuple[str, ...]


@functools.cache
def compiled(text: str, title: str, arguments: int, holds_gil: bool = False) -> Callable[..., None]:
    """The kernel of a text as a C function of so many 64-bit integers.

    Other Python threads run beside it unless `holds_gil`.
    """
    with _lock:
        path = _path(text, title)
        made = _read(path)
        if made is None:
            made = _compile(text, arguments)
            _write(path, made)
        address = _link(made)
    kind = ctypes.PYFUNCTYPE if holds_gil else ctypes.CFUNCTYPE
    return kind(None, *[ctypes.c_int64] * arguments)(address)


def _compile(text: str, arguments: int) -> _Code:
    """Numba makes LLVM's language out of the text, and LLVM object code out of that."""
    import numba

    module = ModuleType("thalweg_kernel")
    exec(compile(text, "<kernel>", "exec"), module.__dict__)
    made = numba.cfunc(
        numba.types.void(*[numba.types.int64] * arguments),
        error_model="numpy",
        # not the full set: NaN and infinity must stay what they are
        fastmath={"contract", "nsz", "arcp"},
    )(module.kernel)
    # 1 / sqrt(x) from an estimate is NaN where x is infinite, and wrong in its last digits
    ir = re.sub(
        r"^(define .*?) *\{$",
        r'\1 "reciprocal-estimates"="none" {',
        made.inspect_llvm(),
        flags=re.MULTILINE,
    )
    declared = re.findall(r'^declare [^@]*@"?([^"(\s]+)"?\(', ir, re.MULTILINE)
    symbols = tuple(name for name in declared if not name.startswith("llvm."))
    code = _machine().emit_object(llvm.parse_assembly(ir))
    return _Code(code, made.native_name, symbols)


def _link(made: _Code) -> int:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(made.code))
    engine.finalize_object()
    _engines.append(engine)
    return int(engine.get_function_address(made.function))


def _machine() -> Any:
    """The processor we run on, as LLVM's code generator sees it."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu, features = _processor()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu, features, opt=3, codemodel="jitdefault")


@functools.cache
def _processor() -> tuple[str, str]:
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@functools.cache
def formats() -> frozenset[str]:
    """The element formats that this processor can convert.

    float16 takes an instruction; without it LLVM would call a function that nobody provides.
    """
    _, features = _processor()
    has_half = "+f16c" in features or platform.machine().lower() in ("aarch64", "arm64")
    return frozenset(name for name in FORMATS if has_half or name != "float16")


def _read(path: Path | None) -> _Code | None:
    """The code kept in a file, if it is whole and can be linked."""
    if path is None:
        return None
    try:
        content = path.read_bytes()
    except OSError:
        return None
    checksum, packed = content[:32], content[32:]
    if hashlib.sha256(packed).digest() != checksum:
        return None
    code, function, symbols = pickle.loads(packed)  # ours: the folder is the user's own
    if any(llvm.address_of_symbol(symbol) is None for symbol in symbols):
        return None
    return _Code(code, function, symbols)


def _write(path: Path | None, made: _Code) -> None:
    """Keep the code for the next process; a disk that is full or read-only costs time only."""
    if path is None:
        return
    packed = pickle.dumps((made.code, made.function, made.symbols))
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".new", delete=False) as file:
            file.write(hashlib.sha256(packed).digest() + packed)
        os.replace(file.name, path)
    except OSError:
        return


def _path(text: str, title: str) -> Path | None:
    """The file for a kernel: named by everything that its machine code depends on."""
    home = folder()
    if home is None:
        return None
    engine = [Path(__file__), Path(__file__).with_name("memory.py"), Path(elementwise.__file__)]
    parts = [text, version("numba"), version("llvmlite"), *_processor()]
    parts += [path.read_text(encoding="utf-8") for path in engine]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]
    return home / f"{title}-{digest}.kernel"


@functools.cache
def folder() -> Path | None:
    """Where kernels are kept: THALWEG_CACHE_DIR, the user's cache, or a folder of temporaries."""
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    asked, temporary = os.environ.get("THALWEG_CACHE_DIR"), ""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    with suppress(OSError):  # where nobody may write temporary files
        temporary = os.path.join(tempfile.gettempdir(), f"thalweg-{user}")
    for path in filter(None, [asked, os.path.join(home, "thalweg"), temporary]):
        try:
            os.makedirs(path, mode=0o700, exist_ok=True)
            owner = os.stat(path).st_uid
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError:
            continue
        if not hasattr(os, "getuid") or owner == os.getuid():  # nobody else's code is run
            return Path(path)
    return None


def _forget() -> None:
    """In a forked child nobody holds the lock, whoever held it in the parent."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
