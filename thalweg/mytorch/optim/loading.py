"""A parameter's saved state: checked as a whole before anything of it is taken over."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from thalweg.border.states import wanted
from thalweg.chain import Chain
from thalweg.mytorch.nn import Parameter
from thalweg.mytorch.optim.memory import FORMAT_OF
from thalweg.rule import Rule

__all__ = ["fitting"]

_LARGEST_COUNT = 2**53


def fitting(
    title: str, chain: Chain, own: Chain, p: Parameter, held: Any, group: Mapping[str, Any]
) -> dict[str, Any]:
    """A state with arrays of the right shapes and numbers in their range; `group` is the
    parameter's.

    `own` is the chain of the optimizer's class, without the average that `chain` may keep: what it
    keeps is there as a whole once the parameter has been stepped.
    """
    if not isinstance(held, Mapping):
        raise ValueError(f"{title}: a state must be a dict, got {held!r:.100}")
    arrays, _ = wanted(chain, p.shape, group)
    found: dict[str, Any] = {}
    for key, value in held.items():
        where = f"{title}: the state {key!r}"
        if value is None:  # as old versions of torch say that there is no buffer
            continue
        if key in chain.cells and key not in arrays:
            found[key] = _number(where, value, is_count=key == "step" or key.startswith("n_"))
        else:
            found[key] = _array(where, value, arrays[key]) if key in arrays else value
    kept = {*own.cells, *(slot.key for slot in own.slots)}
    is_stepped = found.get("step") or not kept.isdisjoint(found.keys() - {"step"})
    lacking = [key for key in _needed(own, p, group) if key not in found]
    if is_stepped and lacking:
        raise ValueError(f"{title}: the state must have {', '.join(map(repr, lacking))} too")
    return found


def _needed(own: Chain, p: Parameter, group: Mapping[str, Any]) -> Iterator[str]:
    """What the state of every parameter has that was ever stepped."""
    yield from own.cells
    for slot in own.slots:
        is_there = slot.part.which in (None, own.choice.which(p.shape, group))
        if is_there and slot.is_certain and issubclass(slot.part.declared, Rule):
            yield slot.key


def _number(where: str, value: Any, is_count: bool) -> float:
    """A number kept per parameter, out of whatever a file holds it as."""
    array = np.asarray(None if isinstance(value, list | tuple | str) else value)
    if array.size == 1 and array.dtype.kind in "iuf":
        number = float(array.reshape(()))
        is_whole = 0 <= number <= _LARGEST_COUNT and not number % 1
        if is_whole if is_count else math.isfinite(number):
            return number
    kind = "a whole number from 0 to 2^53" if is_count else "a finite number"
    raise ValueError(f"{where} must be {kind}, got {value!r:.200}")


def _array(where: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """An array kept per parameter, apart from the one it was given as."""
    array = np.asarray(value)
    native = array.dtype.newbyteorder("=")
    if native not in FORMAT_OF or array.shape != shape:
        raise ValueError(
            f"{where} must be an array of float32 or float64 and of shape "
            f"{shape}, got {array.dtype} of shape {array.shape}"
        )
    return np.array(array, native, order="C")
