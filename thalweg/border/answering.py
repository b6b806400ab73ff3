"""What the texts of an optimizer ask within a step, answered from wherever the answer comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from thalweg.chain import Chain
from thalweg.requests import drawn
from thalweg.text import Request

__all__ = ["Answering", "answering"]

About = Sequence[tuple[Any, Any]]  # parameters, each with what is asked about it


class Answering:
    """Draws random numbers; gradients and curvature come from `asking`, what the step was given
    its closures for, where a border has no way of its own, `curvature`."""

    def __init__(
        self,
        title: str,
        groups: Sequence[Mapping[str, Any]],
        asking: Callable[[Request, About], list[Any]] | None,
        curvature: Callable[[Request, About], list[Any]] | None,
    ) -> None:
        self.title, self._groups = title, groups
        self._asking, self._curvature = asking, curvature

    def __call__(self, request: Request, about: About) -> list[Any]:
        """The answer for each parameter."""
        if request.kind == "noise":
            params = [p for group in self._groups for p in group["params"]]
            places = {p: i for i, p in reversed([*enumerate(params)])}
            return [
                drawn(told[0], told[1], places[p], request.name, tuple(p.shape))
                for p, told in about
            ]
        ask = self._asking
        if request.kind == "curvature" and self._curvature is not None:
            ask = self._curvature
        if ask is None:
            raise RuntimeError(f"{self.title}: a step asks for {request.written}")
        # what is maximized is minus the loss of a text, whose gradients are turned in front of it
        up = {p for group in self._groups if group.get("maximize") for p in group["params"]}
        return [
            -found if p in up and found is not None else found
            for (p, _), found in zip(about, ask(request, about), strict=True)
        ]


def answering(
    chain: Chain,
    groups: Sequence[Mapping[str, Any]],
    asking: Callable[[Request, About], list[Any]] | None,
    curvature: Callable[[Request, About], list[Any]] | None = None,
) -> Answering | None:
    """What answers the texts of a chain within one step; None where they ask nothing."""
    return Answering(chain.name, groups, asking, curvature) if chain.requests else None
