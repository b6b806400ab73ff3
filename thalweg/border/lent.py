"""The weights of the training in a file that is written after `eval`, when the parameters hold
those to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from thalweg.border.copies import WithCopies, check_not_swapped

__all__ = ["TRAINING_WEIGHTS", "lend_again", "with_training_weights", "without_training_weights"]

TRAINING_WEIGHTS = "training_weights"


def with_training_weights(
    opt: WithCopies, states: Mapping[Any, Any], copied: Callable[[Any], Any]
) -> dict[Any, Any]:
    """The states of a file, by the parameters' numbers, with the weights that are away."""
    if opt._swapped == "first_step()":
        check_not_swapped(opt, "state_dict()")
    found = {**states}
    if opt._swapped in ("eval()", "evaluation()"):
        params = [p for group in opt.param_groups for p in group["params"]]
        number_of = {p: i for i, p in enumerate(params)}
        for p, own, _ in opt._at_home:
            held = found.get(number_of[p], {})
            found[number_of[p]] = {**held, TRAINING_WEIGHTS: copied(own)}
    return found


def without_training_weights(
    title: str, opt: WithCopies, loaded: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[Any, Any]]:
    """A file without such weights, and the weights by parameter; raises where one has none of
    its shape."""
    if not any(TRAINING_WEIGHTS in held for held in loaded["state"].values() if _is_dict(held)):
        return {**loaded}, {}
    numbers = [i for group in loaded["param_groups"] for i in group["params"]]
    params = [p for group in opt.param_groups for p in group["params"]]
    owner = dict(zip(numbers, params, strict=False))
    states, lent = {}, {}
    for number, held in loaded["state"].items():
        states[number] = held
        if not (_is_dict(held) and TRAINING_WEIGHTS in held):
            continue
        states[number] = {key: value for key, value in held.items() if key != TRAINING_WEIGHTS}
        value, p = held[TRAINING_WEIGHTS], owner.get(number)
        if p is None:
            continue
        if tuple(getattr(value, "shape", ())) != tuple(p.shape):
            raise ValueError(
                f"{title}: {TRAINING_WEIGHTS!r} of parameter {number} must have the shape "
                f"{tuple(p.shape)}, got {tuple(getattr(value, 'shape', ()))}"
            )
        lent[p] = value
    return {**loaded, "state": states}, lent


def lend_again(opt: WithCopies, lent: Mapping[Any, Any], copied: Callable[[Any], Any]) -> None:
    """An optimizer that has loaded a file written after `eval` is after `eval` too: the parameters
    hold the weights to look at, as the model's file does, and `train` brings the others back."""
    if lent:
        opt._swapped = "eval()"
        opt._at_home = [(p, copied(own), None) for p, own in lent.items()]


def _is_dict(held: Any) -> bool:
    return type(held) is dict or isinstance(held, Mapping)
