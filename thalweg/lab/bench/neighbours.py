"""Whether a benchmark had the machine to itself."""

import os
import time
from pathlib import Path

__all__ = ["Neighbours"]

NOTABLE = 0.05  # of the machine's processor time


class Neighbours:
    """Watches, from its making on, how much of the processors other processes use."""

    def __init__(self) -> None:
        self._start = time.perf_counter(), _own(), _busy()

    def share(self) -> float | None:
        """The others' share of all processor time so far; None where the system does not say."""
        start, own, busy = self._start
        now = _busy()
        if busy is None or now is None:
            return None
        elapsed = (time.perf_counter() - start) * (os.cpu_count() or 1)
        return max(0.0, (now - busy) - (_own() - own)) / elapsed

    def remark(self) -> str:
        """A sentence for the reader if the numbers may have suffered; else nothing."""
        share = self.share()
        if share is None or share < NOTABLE:
            return ""
        return (
            f"Other processes used {share:.0%} of the processors meanwhile: "
            "repeat this on a quiet machine before believing it."
        )


def _own() -> float:
    """Processor seconds of this process and of its children that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _busy() -> float | None:
    """Processor seconds that anybody has used since the machine started."""
    try:
        first = Path("/proc/stat").read_text().partition("\n")[0].split()
    except OSError:
        return None
    user, nice, system, _, _, irq, soft_irq, stolen = map(int, first[1:9])
    return (user + nice + system + irq + soft_irq + stolen) / os.sysconf("SC_CLK_TCK")
