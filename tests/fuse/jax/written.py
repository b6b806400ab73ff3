"""The reference engine on NumPy for rules on rows, columns and matrices, and for those that ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from thalweg.chain import Chain
from thalweg.declaration import starting
from thalweg.fuse import reference
from thalweg.reductions import finished
from thalweg.requests import drawn

__all__ = ["Written"]

Trees = Mapping[str, np.ndarray]


class Written:
    """The parameters of an optimizer, stepped as its texts are written. `gradients` are those of
    each loss, from a tree of weights."""

    def __init__(self, made: Chain, value: Trees, **gradients: Callable[[Trees], Trees]) -> None:
        self.made, self.gradients, self.t = made, gradients, 0
        self.p = {name: p for name, p in value.items() if p.size}  # what is empty counts a place
        self.places = [*value]
        self.states: dict[str, dict[str, np.ndarray]] = {name: {} for name in self.p}
        self.cells: dict[str, Mapping[str, Any]] = {}

    def step(self, grads: Trees, h: Mapping[str, Any]) -> None:
        """Take one step of all of them under these settings."""
        self.t += 1
        group = {**self.made.defaults, **h}
        begun = {name: self._begun(name, grads[name], group) for name in self.p}
        known: dict[str, dict[str, Any]] = {name: {} for name in self.p}
        found: dict[str, Any] = {}
        while len(found) < len(self.p):
            asked = {}
            for name, (arrays, given) in begun.items():
                try:
                    found[name] = reference.update(self.made, arrays, given, known[name])
                except reference.Asked as question:
                    asked[name] = question
            if asked:
                which = min((one.name for one in asked.values()), key=self.made.asked_of_all.index)
                asked = {name: one for name, one in asked.items() if one.name == which}
                for name, answer in self._answers(which, asked).items():
                    known[name][which] = answer
        for name, (arrays, cells) in found.items():
            self.p[name] = arrays["p"]
            self.states[name] = {n: x for n, x in arrays.items() if n not in ("p", "g", "u")}
            self.cells[name] = cells
        for key in self.made.shared:  # the first decides
            one = next(iter(self.cells.values()))[key]
            self.cells = {name: {**cells, key: one} for name, cells in self.cells.items()}

    def _begun(self, name: str, g: np.ndarray, group: Mapping[str, Any]) -> Any:
        made, p, choice = self.made, self.p[name], self.made.choice
        number = choice.numbers(p.shape, group) if choice.numbers else 0
        eps = {n: tuple(2.0**-52 if x is None else x for x in group[n]) for n in made.by_type}
        views = made.views({**group, **eps}, which=number)
        self.cells.setdefault(name, made.first_cells(views))
        first = {}
        for slot in made.live_slots(views):
            h = views[made.parts.index(slot.part)]
            if h is not None and slot.qualified not in self.states[name]:
                start = starting(slot.state, h)
                shape = slot.state.shape(p.shape, h)
                made_new = p.copy() if isinstance(start, str) else np.full(shape, float(start))
                self.states[name][slot.qualified] = made_new
                first[slot.part.prefix] = True
        arrays = {"p": p, "g": np.asarray(g), **self.states[name]}
        return arrays, reference.Given(views, self.t, first, p.shape, self.cells[name])

    def _answers(self, which: str, asked: Mapping[str, reference.Asked]) -> dict[str, Any]:
        if which not in self.made.requests:
            kind = self.made.reductions[which].kind
            combine = max if kind == "largest" else sum
            total = combine([one.value for one in asked.values()])
            count = sum(one.count for one in asked.values())
            return dict.fromkeys(asked, float(finished(kind, total, max(count, 1))))
        request = self.made.requests[which]
        told = {name: one.value for name, one in asked.items()}
        if request.kind == "noise":
            return {
                name: drawn(seed, t, self.places.index(name), request.name, self.p[name].shape)
                for name, (seed, t) in told.items()
            }
        of = self.gradients[request.of]
        if request.kind == "gradient":
            return dict(of({**self.p, **told}))
        tiny = 1e-200  # an imaginary step loses no digit
        ahead = of({n: p + 1j * tiny * told.get(n, 0) for n, p in self.p.items()})
        return {n: ahead[n].imag / tiny for n in told}

    def flat(self) -> dict[str, np.ndarray]:
        """All that there is after the steps, by key and parameter."""
        keys = {slot.qualified: slot.key for slot in self.made.slots}
        found = {f"p {name}": p for name, p in self.p.items()}
        for name, states in self.states.items():
            found |= {f"{keys[one]} {name}": x for one, x in states.items()}
        for name, cells in self.cells.items():
            found |= {f"{k} {name}": np.asarray(x) for k, x in cells.items() if k != "step"}
        return found
