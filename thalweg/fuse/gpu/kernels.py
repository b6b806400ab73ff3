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

from thalweg.fuse.plan import Pass
from thalweg.fuse.storage import FORMATS

__all__ = ["OPTIONS", "Launcher", "kernel_of", "options_for"]

# What every kernel is compiled with. Products and sums are not contracted: memory is the limit, and
# the numbers are those of the plain run. Triton's own default for it is another from 3.10 on.
OPTIONS = {"num_warps": 4, "num_stages": 1, "enable_fp_fusion": False}


# Of a pass that only adds up, over several sums of rows. By itself NVIDIA's assembler takes 48 and
# spills some of them around its divisions; with 64 half of the threads find room, and none spills.
_REGISTERS = 64


def options_for(pass_: Pass, formats: Sequence[str], lanes: int) -> dict[str, Any]:
    """The same for the kernel of a pass: so many threads, in warps of `lanes`, that each reads 128
    bits at a time of the narrowest array of its piece, and holds no more than it must."""
    narrowest = min((FORMATS[form].size for form in formats), default=4)
    found = {**OPTIONS, "num_warps": (128 if narrowest < 4 else 256) // lanes}
    is_nvidias = lanes == 32
    if is_nvidias and len(pass_.rows) > 1 and not pass_.stores:
        found["maxnreg"] = _REGISTERS
    return found


class Launcher:
    """Launches a kernel on one device, again and again.

    Triton asks at every launch which of the compiled ones is meant, of each argument its type and
    of each name outside whether it has changed. Here all arguments are numbers of one type, and
    what was compiled for some `sizes` is launched again as it is.
    """

    def __init__(self, kernel: Any, options: dict[str, Any]) -> None:
        self._kernel, self._options = kernel, options
        self._compiled: dict[tuple[int, ...], Any] = {}

    def compile(self, arguments: Sequence[int], sizes: tuple[int, ...]) -> None:
        """Have the kernel, and launch nothing."""
        self._kernel.run(*arguments, *sizes, grid=(1,), warmup=True, **self._options)

    def launch(self, programs: int, arguments: Sequence[int], sizes: tuple[int, ...]) -> None:
        """Put so many programs on the stream."""
        compiled = self._compiled.get(sizes)
        if compiled is not None:
            compiled[programs, 1, 1](*arguments, *sizes)
            return
        made = self._kernel[(programs,)](*arguments, *sizes, **self._options)
        if made is not None:  # the interpreter compiles nothing
            self._compiled[sizes] = made


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
