"""Starts a benchmark again under settings that libraries read only when a process begins."""

import os
import sys
from collections.abc import Mapping

__all__ = ["RETURN_MEMORY", "REUSE_MEMORY", "restart_with"]

# glibc gives a block above the threshold its own mapping, which leaves the process when freed; the
# next one of that size pays for its pages again, wherever in a benchmark that happens to be.
# Without this a backward pass that frees gradients of 4 MB looks slow, or the step after it.
REUSE_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # more is not accepted
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
}
# The opposite: every allocation of some size shows as growth of the process.
RETURN_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(64 << 10),
    "MALLOC_TRIM_THRESHOLD_": "0",
}


def restart_with(settings: Mapping[str, str]) -> None:
    """Replace this process by one with these environment variables, unless it has them."""
    if any(os.environ.get(name) != value for name, value in settings.items()):
        arguments = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, arguments, {**os.environ, **settings})
