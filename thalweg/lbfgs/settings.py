"""The settings of L-BFGS, which are those of one problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from thalweg.settings import Setting

__all__ = ["OF_ALL", "SETTINGS", "check", "complete", "given", "of_new_group"]

SETTINGS = {
    "lr": Setting(1.0, low=0),
    "max_iter": Setting(20, low=0),
    "max_eval": Setting(25, low=0),
    "tolerance_grad": Setting(1e-7),
    "tolerance_change": Setting(1e-9),
    "history_size": Setting(100, low=1),
}
# settings of the problem as a whole: there is one closure, so they cannot differ between groups
OF_ALL = (*(name for name in SETTINGS if name != "lr"), "line_search_fn", "maximize")


def check(settings: Mapping[str, Any]) -> None:
    """Raise TypeError for the wrong kind of a setting and ValueError for one out of its range."""
    lr = settings["lr"]
    if getattr(lr, "ndim", 0) and len(lr.reshape(-1)) != 1:
        raise ValueError(
            "LBFGS: lr must be a number or a tensor of one element, "
            f"got a tensor of shape {tuple(lr.shape)}"
        )
    for name, setting in SETTINGS.items():
        if name != "max_eval" or settings[name] is not None:
            setting.check(f"LBFGS: {name}", settings[name])
    if settings["line_search_fn"] not in (None, "strong_wolfe"):
        raise ValueError(
            "LBFGS: line_search_fn must be 'strong_wolfe' or None, "
            f"got {settings['line_search_fn']!r}"
        )


def given(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a constructor was given, with the evaluations that go with so many iterations."""
    most = settings["max_eval"]
    return {**settings, "max_eval": settings["max_iter"] * 5 // 4 if most is None else most}


def complete(group: dict[str, Any]) -> None:
    """Fill in what a group from a file lacks."""
    for name, setting in SETTINGS.items():
        group.setdefault(name, setting.default)
    group.setdefault("line_search_fn", None)
    group.setdefault("maximize", False)


def of_new_group(
    groups: Sequence[Mapping[str, Any]], defaults: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, Any]:
    """A group that joins the one problem that is solved."""
    of_all = {name: group[name] for group in groups[:1] for name in OF_ALL}
    group = {**of_all, **new}
    check({**defaults, **group})
    for name, value in of_all.items():
        if group[name] != value:
            raise ValueError(
                f"LBFGS: {name} must be the same in all groups, for they are one "
                f"problem; got {group[name]!r} beside {value!r}"
            )
    return group
