"""What a time means nothing without: the date, the versions, the machine and who else used it."""

import os
import platform
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import thalweg
from thalweg.lab.bench.neighbours import Neighbours

__all__ = ["environment"]

_PACKAGES = ("torch", "llvmlite", "numpy")


def environment(threads: int, neighbours: Neighbours) -> dict[str, Any]:
    """All of it, for a file of results."""
    return {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "versions": {
            "thalweg": thalweg.__version__,
            "python": platform.python_version(),
            **{package: _version(package) for package in _PACKAGES},
        },
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.release()}",
            "used_by_others": neighbours.share(),
            "allocator": {k: v for k, v in os.environ.items() if k.startswith("MALLOC_")},
        },
        "threads": threads,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or "unknown")
