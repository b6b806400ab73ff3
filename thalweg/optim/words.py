"""What torch says of a setting out of its range, beside what we say: programs match its words."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["in_torchs_words", "of_shape"]

_SENTENCE = re.compile(r"\w+: (\w+)(?:\[(\d+)\])? must be ")

# by the name of a setting; of the number, or of all of several
_WORDS = {
    "lr": "Invalid learning rate: {}",
    "eps": "Invalid epsilon value: {}",
    "betas": "Invalid beta parameter at index {index}: {}",
    "etas": "Invalid eta values: {all[0]}, {all[1]}",
    "adjust_lr_fn": "Adjust learning rate function {} is not supported",
    "ns_steps": "Number of steps must be less than 100 for computational efficiency",
    **dict.fromkeys(
        (
            "alpha",
            "initial_accumulator_value",
            "lr_decay",
            "momentum",
            "momentum_decay",
            "rho",
            "weight_decay",
        ),
        "Invalid {name} value: {}",
    ),
}

# torch's newest classes have words of their own
_OF_MUON = {
    "lr": "Learning rate should be >= 0 but is: {}",
    "momentum": "momentum should be >= 0 but is: {}",
    "weight_decay": "weight decay should be >= 0 but is: {}",
}

_OF_ADAFACTOR = {
    "lr": "Learning rate should be >= 0 but is: {}",
    "d": "Clipping threshold d should be >= 1 but is: {}",
    "beta2_decay": "beta2_decay should be <= 0 but is: {}",
    "eps[0]": "epsilon1 should be >= 0 but is: {}",
    "eps[1]": "epsilon2 should be >= 0 but is: {}",
    "weight_decay": "weight_decay should be >= 0 but is: {}",
}

_OWN = {"Muon": _OF_MUON, "Adafactor": _OF_ADAFACTOR}

Check = Callable[[Any, Mapping[str, Any]], None]


def in_torchs_words(check: Check) -> Check:
    """A check of an optimizer's settings whose errors say what torch's class of the name would."""

    @functools.wraps(check)
    def checked(self: Any, settings: Mapping[str, Any]) -> None:
        try:
            check(self, settings)
        except ValueError as error:
            own = dict(_WORDS)
            for base in _bases(self):
                own |= _OWN.get(base.__name__, {})
            words = _words(str(error), settings, own) if _passes_for_torchs(self) else ""
            if not words or words in str(error):
                raise
            raise ValueError(f"{error} ({words})") from None

    return checked


def of_shape(optimizer: Any, p: Tensor) -> str:
    """What torch's class says of a parameter whose shape it does not take: only Muon is so."""
    if not _passes_for_torchs(optimizer):
        return ""
    return f" (Muon only supports 2D parameters whereas we found a parameter with size: {p.size()})"


def _passes_for_torchs(optimizer: Any) -> bool:
    return any(getattr(torch.optim, base.__name__, None) is base for base in _bases(optimizer))


def _bases(optimizer: Any) -> list[type]:
    return [base for base in type(optimizer).__mro__ if base is not torch.optim.Optimizer]


def _words(sentence: str, settings: Mapping[str, Any], known: Mapping[str, str]) -> str:
    found = _SENTENCE.match(sentence)
    if not found or found[1] not in settings:
        return ""
    name, index = found[1], int(found[2]) if found[2] else None
    several = settings[name]
    value = several if index is None else several[index]
    if isinstance(value, Tensor) and value.numel() != 1:
        return f"Tensor {name}{'' if index is None else f'[{index}]'} must be 1-element"
    template = known.get(name if index is None else f"{name}[{index}]") or known.get(name, "")
    return template.format(value, name=name, index=index, all=several)
