"""Kernel text to machine code, kept on disk where Numba finds it again."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from thalweg import elementwise

__all__ = ["compiled"]


@functools.cache
def compiled(text: str, title: str, takes: str, nogil: bool = True) -> Callable[..., None]:
    """The kernel as machine code; from the disk if it was compiled before on this machine."""
    import numba

    signature = f"void{takes}"
    options: dict[str, Any] = {
        "nogil": nogil,
        "error_model": "numpy",
        "fastmath": {"contract", "nsz", "arcp"},
    }
    path = _kept(text, title)
    if path is not None:
        try:
            return numba.njit(signature, cache=True, **options)(_module(text, path).kernel)
        except Exception:  # a cache that cannot be used costs time, never the step
            pass
    return numba.njit(signature, **options)(_module(text, None).kernel)


def _kept(text: str, title: str) -> Path | None:
    """The file that holds a kernel's text: Numba keeps machine code only beside a real file."""
    folder = _folder()
    if folder is None:
        return None
    path = folder / f"{title}_{_digest(text)}.py"
    try:
        if not path.exists():
            with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".new", delete=False) as file:
                file.write(text)
            os.replace(file.name, path)
    except OSError:
        return None
    return path


def _digest(text: str) -> str:
    engine = [Path(__file__), Path(__file__).with_name("cpu_memory.py"), Path(elementwise.__file__)]
    parts = [text.encode(), *(path.read_bytes() for path in engine)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@functools.cache
def _folder() -> Path | None:
    """Where kernels are kept: THALWEG_CACHE_DIR, the user's cache, or a folder of temporaries."""
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    asked = os.environ.get("THALWEG_CACHE_DIR")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    temporary = os.path.join(tempfile.gettempdir(), f"thalweg-{user}")
    for folder in filter(None, [asked, os.path.join(home, "thalweg"), temporary]):
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            owner = os.stat(folder).st_uid
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError:
            continue
        if not hasattr(os, "getuid") or owner == os.getuid():  # nobody else's code is run
            return Path(folder)
    return None


def _module(text: str, path: Path | None) -> ModuleType:
    name = f"thalweg_kernel_{_digest(text)}"
    module = ModuleType(name)
    module.__file__ = str(path) if path else f"<{name}>"
    exec(compile(text, module.__file__, "exec"), module.__dict__)
    sys.modules[name] = module  # Numba looks a cached kernel's module up by name
    return module
