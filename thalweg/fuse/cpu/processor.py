"""What processor this is: known without LLVM where the system says it, or else by LLVM."""

from __future__ import annotations

import functools
import platform
import re
import sys
from pathlib import Path

__all__ = ["converts_halves", "described", "named"]

_TOLD = Path("/proc/cpuinfo")
_FIELDS = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags")


def named() -> str:
    """Machine, system and processor, for who reads a kernel's file."""
    model = _fields().get("model name") or _of_llvm()[0]
    plain = re.sub(r"[^!-~]+", " ", model)
    return f"{platform.machine()}-{sys.platform} {plain}"


def described() -> tuple[str, ...]:
    """Everything about the processor that code made for it depends on."""
    told = _fields()
    return (platform.machine(), sys.platform, *(tuple(told.values()) or _of_llvm()))


def converts_halves() -> bool:
    """Whether it has an instruction from float16 to float32."""
    if platform.machine().lower() in ("aarch64", "arm64"):
        return True
    told = _fields()
    return "f16c" in told["flags"].split() if told else "+f16c" in _of_llvm()[1]


@functools.cache
def _fields() -> dict[str, str]:
    """What Linux tells of an x86-64 processor; nothing where it does not tell all of it."""
    try:
        with _TOLD.open(encoding="utf-8", errors="replace") as told:
            first = told.read(1 << 14).partition("\n\n")[0]
    except OSError:
        return {}
    fields = dict(re.findall(r"^(\S[^\t:]*?)\s*:[ ]?(.*)$", first, re.MULTILINE))
    if platform.machine() != "x86_64" or not fields.keys() >= set(_FIELDS):
        return {}
    return {name: fields[name] for name in _FIELDS}


def _of_llvm() -> tuple[str, str]:
    import llvmlite.binding as llvm

    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
