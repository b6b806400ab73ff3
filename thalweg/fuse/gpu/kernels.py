"""From text to a kernel that Triton compiles when it is first launched, and keeps on disk.

Triton reads the source of a function where Python finds it. The text lies in no file: it is handed
to `linecache`, under a name that its content decides, so that every process has the same.
"""

from __future__ import annotations

import functools
import hashlib
import linecache
from collections.abc import Sequence
from typing import Any

from thalweg.fuse.storage import FORMATS

__all__ = ["OPTIONS", "kernel_of", "options_for"]

# What every kernel is compiled with. Products and sums are not contracted: memory is the limit, and
# the numbers are those of the plain run. Triton's own default for it is another from 3.10 on.
OPTIONS = {"num_warps": 4, "num_stages": 1, "enable_fp_fusion": False}


def options_for(formats: Sequence[str], lanes: int) -> dict[str, Any]:
    """The same for the kernel of a pass: so many threads, in warps of `lanes`, that each reads 128
    bits at a time of the narrowest array of its piece, and holds no more than it must."""
    narrowest = min((FORMATS[form].size for form in formats), default=4)
    return {**OPTIONS, "num_warps": (128 if narrowest < 4 else 256) // lanes}


@functools.cache
def kernel_of(text: str, title: str) -> Any:
    """The function `kernel` of a text, as Triton has it."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:20]
    name = f"thalweg_{title}_{digest}"
    path = f"<{name}>"
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
    scope: dict[str, Any] = {"__name__": name}
    exec(compile(text, path, "exec"), scope)
    return scope["kernel"]
