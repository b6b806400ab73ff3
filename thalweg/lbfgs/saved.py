"""The history of L-BFGS from a file, in the order of the parameters that are there now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from thalweg.border.matching import pairs_of_names
from thalweg.lbfgs.history import restart
from thalweg.lbfgs.vectors import Vector

__all__ = ["in_live_order"]

Groups = Sequence[Mapping[str, Any]]


def in_live_order(
    given: dict[str, Any],
    live: Groups,
    size_of: Callable[[Any], int],
    joined: Callable[[list[Vector]], Vector],
    strict: bool = False,
) -> dict[str, Any]:
    """A state_dict with its history in the order of the live parameters, if both have names.

    Where they are not the same parameters, it is one without a history; or, if it is `strict`, an
    error. `size_of` tells how many
    numbers a parameter has, and `joined` makes one vector of several.
    """
    saved = given["param_groups"]
    if not all(group.get("param_names") for group in (*saved, *live) if group["params"]):
        return given
    names, live_names = (
        [name for group in groups for name in group.get("param_names", ())]
        for groups in (saved, live)
    )
    ids = [number for group in saved for number in group["params"]]
    if names == live_names or len(ids) != len(names) or ids[0] not in given["state"]:
        return given
    held, called = dict(given["state"][ids[0]]), pairs_of_names(names, live_names)
    if len(called) == len(names) == len(live_names):
        names = [called[name] for name in names]
        sizes = [size_of(p) for group in live for p in group["params"]]
        _reorder(held, names, dict(zip(live_names, sizes, strict=True)), joined)
    elif strict:
        other = sorted({*names} ^ {*live_names})
        raise ValueError(
            "LBFGS.load_state_dict: the parameters must have the same names on both sides, got "
            f"{', '.join(map(repr, other))} on one of them; strict=False begins anew"
        )
    else:
        restart(held)
    number_of = dict(zip(names, ids, strict=True))
    return {**given, "state": {number_of.get(live_names[0], ids[0]): held}}


def _reorder(
    held: dict[str, Any],
    names: Sequence[str],
    sizes: dict[str, int],
    joined: Callable[[list[Vector]], Vector],
) -> None:
    """Bring the vectors of a history from the order of `names` into that of `sizes`."""
    start, at = 0, {}
    for name in names:
        at[name] = slice(start, start + sizes[name])
        start += sizes[name]

    def reordered(vector: Vector) -> Vector:
        return joined([vector[at[name]] for name in sizes])

    for key in ("d", "prev_flat_grad"):
        if held.get(key) is not None:
            held[key] = reordered(held[key])
    for key in ("old_dirs", "old_stps"):
        held[key] = [reordered(vector) for vector in held.get(key) or ()]
