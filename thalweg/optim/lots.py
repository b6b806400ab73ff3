"""Parameter groups as a step takes them: a decay filter cuts a group in two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

__all__ = ["NO_BIAS_NORM", "Lot", "check_filter", "decide", "lots"]

NO_BIAS_NORM = "no_bias_norm"


@dataclass(frozen=True)
class Lot:
    """Parameters of one group that are treated alike; `spared` ones do not decay."""

    group: Mapping[str, Any]
    params: Sequence[Tensor]
    spared: bool = False


def lots(title: str, param_groups: Sequence[Mapping[str, Any]]) -> list[Lot]:
    """The groups in order; one with a decay filter is two lots, those that decay first."""
    found = []
    for group in param_groups:
        if group.get("decay_filter") is None:
            found.append(Lot(group, group["params"]))
            continue
        decays = _decays(title, group)
        for spared in (False, True):
            params = [p for p, d in zip(group["params"], decays, strict=True) if d is not spared]
            found.append(Lot(group, params, spared))
    return found


def check_filter(title: str, value: Any) -> None:
    """Raise for a decay filter that is none."""
    if not (value is None or value == NO_BIAS_NORM or callable(value) or _is_decided(value)):
        raise ValueError(
            f"{title}: decay_filter must be None, {NO_BIAS_NORM!r} or a predicate of (name, "
            f"parameter) that says which parameters decay, got {value!r}"
        )


def decide(title: str, group: dict[str, Any]) -> None:
    """Replace a predicate by what it says of each parameter: a state_dict cannot hold functions."""
    decays: Callable[[str, Tensor], bool] | Any = group.get("decay_filter")
    if callable(decays):
        names = group.get("param_names")
        if names is None:
            raise ValueError(
                f"{title}: a predicate as decay_filter needs the parameters' names; make the "
                "optimizer from model.named_parameters()"
            )
        pairs = zip(names, group["params"], strict=True)
        group["decay_filter"] = [bool(decays(name, p)) for name, p in pairs]


def _decays(title: str, group: Mapping[str, Any]) -> list[bool]:
    """Whether each parameter of a group decays."""
    decays, params = group["decay_filter"], list(group["params"])
    if decays == NO_BIAS_NORM:
        names = group.get("param_names") or [""] * len(params)
        return [
            p.dim() > 1 and name.rpartition(".")[2] != "bias"
            for name, p in zip(names, params, strict=True)
        ]
    if not _is_decided(decays) or len(decays) != len(params):
        raise ValueError(
            f"{title}: decay_filter must be {NO_BIAS_NORM!r} or one truth value for each of the "
            f"group's {len(params)} parameters, got {decays!r}"
        )
    return list(map(bool, decays))


def _is_decided(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(v, bool) for v in value)
