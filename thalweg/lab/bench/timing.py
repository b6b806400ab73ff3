"""The steps of one optimizer, its rivals' and the floor, timed in turns; and how they compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from thalweg.lab.bench.alternate import Estimate, alternate, ratio, summarize
from thalweg.lab.bench.floors import FLOAT32

__all__ = [
    "FORMS",
    "SECONDS",
    "STREAM",
    "WARM_UP",
    "Times",
    "bandwidth",
    "best_form",
    "ratios",
    "timed",
]

Times = Mapping[str, Sequence[float]]

# torch's three ways to compute the same step, by the flags that ask for them
FORMS: dict[str, dict[str, bool]] = {
    "loop": {"foreach": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}

# Past RAdam's rectification, which begins at step 6, and two whole cycles of Ranger.
WARM_UP = 12
SECONDS = 2.0  # per optimizer: what is quick takes more rounds than asked for

STREAM = 3  # accesses of the flat `p += g`: p and g are loaded, p is stored


def timed(
    calls: Mapping[str, Callable[[], object]],
    stream: Callable[[], object],
    accesses: float | None,
    *,
    rounds: int,
    cycle: int = 1,
    seconds: float = SECONDS,
) -> Times:
    """Seconds per call of everything that is compared, in alternation, and of the floor under as
    many accesses, unless that is None."""
    times = alternate(
        {**calls, "stream": stream}, rounds=rounds, seconds=seconds, warm_up=WARM_UP, cycle=cycle
    )
    if accesses is None:
        return times
    return {**times, "floor": [accesses / STREAM * taken for taken in times["stream"]]}


def best_form(times: Times) -> str | None:
    """The quickest of torch's forms, if there is one."""
    forms = [form for form in FORMS if form in times]
    return min(forms, key=lambda form: summarize(times[form]).median) if forms else None


def ratios(times: Times) -> dict[str, Estimate]:
    """What is compared, by name."""
    found, best = {}, best_form(times)
    if "floor" in times:
        found["ours / floor"] = ratio(times["ours"], times["floor"])
    if best is not None:
        found["torch best / ours"] = ratio(times[best], times["ours"])
    if "fused" in times:
        found["ours / torch fused"] = ratio(times["ours"], times["fused"])
    return found


def bandwidth(times: Times, elements: int) -> float:
    """GB/s that the flat stream moves."""
    return STREAM * FLOAT32 * elements / summarize(times["stream"]).median / 1e9
