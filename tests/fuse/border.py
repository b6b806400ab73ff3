"""A border over NumPy arrays: the least that an optimizer needs around `fuse.work.Work`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from thalweg.chain import Chain, Slot
from thalweg.declaration import starting
from thalweg.fuse.engine import Engine
from thalweg.fuse.engines import host
from thalweg.fuse.storage import FORMATS, computation
from thalweg.fuse.whole import take
from thalweg.fuse.work import Kind, Work

__all__ = ["Border", "Guarded", "narrowed", "widened"]

IN_MEMORY = {
    "float32": np.float32,
    "float64": np.float64,
    "float16": np.float16,
    "bfloat16": np.uint16,  # NumPy has no such type: the bits are kept
}
# elements in front and behind: an odd number, so that arrays are aligned to an element and no more
GUARDS, GUARD = 3, 77


def narrowed(values: np.ndarray, form: str) -> np.ndarray:
    """Numbers in a storage format, rounded to nearest, ties to even."""
    with np.errstate(over="ignore"):
        if form != "bfloat16":
            return values.astype(IN_MEMORY[form])
        single = np.ascontiguousarray(values.astype(np.float32))
    bits = single.view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(single), 0x7FC0, rounded).astype(np.uint16)


def widened(stored: np.ndarray, form: str) -> np.ndarray:
    """What lies in memory, as numbers."""
    if form != "bfloat16":
        return stored
    return (stored.astype(np.uint32) << 16).view(np.float32)


class Guarded:
    """An array in a storage format, with elements around it that nobody may touch; its companions
    are such arrays themselves."""

    def __init__(self, values: Any, form: str) -> None:
        values = np.asarray(values)
        self.form, self._element = form, FORMATS[form].element
        self._memory = np.full(values.size + 2 * GUARDS, GUARD, IN_MEMORY[self._element])
        self.stored = self._memory[GUARDS : GUARDS + values.size].reshape(values.shape)
        self.beside = {
            one.name: Guarded(np.zeros(values.shape), one.element)
            for one in FORMATS[form].companions
        }
        self.put(values)

    def put(self, values: np.ndarray) -> None:
        """Store numbers, rounded to nearest whatever the format says."""
        self.stored[...] = narrowed(values, self._element)
        if "residual" in self.beside:
            with np.errstate(invalid="ignore"):
                missing = values - widened(self.stored, self._element)
            self.beside["residual"].put(np.where(np.isfinite(missing), missing, 0.0))

    @property
    def values(self) -> np.ndarray:
        values = widened(self.stored, self._element)
        for companion in self.beside.values():
            values = values + companion.values
        return values

    @property
    def address(self) -> int:
        return self.stored.ctypes.data if self.stored.size else 0

    @property
    def is_intact(self) -> bool:
        """Whether the guards are what they were."""
        own = bool((np.delete(self._memory, slice(GUARDS, -GUARDS)) == GUARD).all())
        return own and all(companion.is_intact for companion in self.beside.values())


class Parameter:
    """One tensor: its arrays by qualified name and the numbers kept with it, by key.

    To the reference engine it is an `Odd`.
    """

    def __init__(self, chain: Chain, value: Any, group: int, forms: Mapping[str, str]) -> None:
        self.chain, self.lot, self.forms = chain, group, forms
        self.held = {"p": Guarded(value, forms["p"])}
        self.shape = self.held["p"].stored.shape
        self.cells: Mapping[str, float] = {}
        self.first: dict[str, bool] = {}

    def prepare(self, grad: Any, views: Sequence[Any], slots: Sequence[Slot]) -> None:
        """Take a gradient, and make the states that are missing."""
        self.held["g"] = grad if isinstance(grad, Guarded) else Guarded(grad, self.forms["g"])
        self.cells = self.cells or self.chain.first_cells(views)
        self.first = {}
        for slot in slots:
            if slot.qualified not in self.held:
                start = self._start(slot, views[self.chain.parts.index(slot.part)])
                self.held[slot.qualified] = Guarded(start, self.forms["states"])
                self.first[slot.part.prefix] = True

    def _start(self, slot: Slot, h: Any) -> np.ndarray:
        start = starting(slot.state, h)
        if start == "p":
            return self.held["p"].values
        return np.full(self.shape, start)

    def kind(self, names: Sequence[str]) -> Kind:
        return Kind(self.shape, tuple(self.held[n].form if n in self.held else None for n in names))

    def arrays(self) -> dict[str, np.ndarray]:
        dtype = np.dtype(computation(self.forms["p"]))
        return {name: held.values.astype(dtype) for name, held in self.held.items()}

    def keep(self, arrays: Mapping[str, np.ndarray], names: Sequence[str]) -> None:
        for name in names:
            self.held[name].put(arrays[name])

    def address(self, column: str) -> int:
        """Where an array lies, or one of its companions; 0 for what does not exist."""
        array, _, companion = column.partition(".")
        held = self.held.get(array)
        if held is not None and companion:
            held = held.beside.get(companion)
        return held.address if held is not None else 0


class Border:
    """An optimizer over NumPy arrays.

    `groups` are settings, each with its parameters' first values. `oracle` is True, or the numbers
    of the tensors that take the reference engine. `forms` are the formats of p, g and the states.
    """

    def __init__(
        self,
        chain: Chain,
        *groups: tuple[Mapping[str, Any], Sequence[Any]],
        oracle: bool | Collection[int] = False,
        forms: Sequence[str] = ("float64", "float64", "float64"),
        threads: int = 1,
        engine: Engine | None = None,
    ) -> None:
        self.chain, self.threads, self.engine = chain, threads, engine or host()
        self.groups = [{**chain.defaults, **settings} for settings, _ in groups]
        named = dict(zip(("p", "g", "states"), forms, strict=True))
        self.tensors = [
            Parameter(chain, value, group, named)
            for group, (_, values) in enumerate(groups)
            for value in values
        ]
        everything = range(len(self.tensors)) if oracle is True else ()
        self.oracle = set(everything if isinstance(oracle, bool) else oracle)
        self._works: dict[tuple[Any, ...], Work] = {}
        self._shared: dict[str, float] = {}  # the numbers that are one for all tensors

    def adopt(self, other: Border) -> Border:
        """Take over another border's parameters, states and numbers, in this one's formats."""
        self._shared = dict(other._shared)
        for mine, theirs in zip(self.tensors, other.tensors, strict=True):
            mine.cells, mine.first = dict(theirs.cells), {}
            for name, held in theirs.held.items():
                form = mine.forms.get(name, mine.forms["states"])
                mine.held[name] = Guarded(held.values, form)
        return self

    def step(self, grads: Sequence[Any], seed: int = 0) -> None:
        """Run one step; a tensor whose gradient is None stays as it is."""
        views = [self.chain.views(group) for group in self.groups]
        fused, odd = [], []
        for number, (tensor, grad) in enumerate(zip(self.tensors, grads, strict=True)):
            if grad is None:
                continue
            tensor.prepare(grad, views[tensor.lot], self._slots(tensor))
            if number not in self.oracle:
                fused.append(tensor)
            elif tensor.held["p"].stored.size:  # as in every border: nothing to do, nothing to say
                odd.append(tensor)
        self._run(views, fused, odd, seed)

    def _slots(self, tensor: Parameter) -> list[Slot]:
        """What a tensor of its shape keeps."""
        group = self.groups[tensor.lot]
        which = self.chain.choice.number(tensor.shape, group)
        return self.chain.live_slots(self.chain.views(group, which=which))

    def _run(self, views: Any, fused: list[Parameter], odd: list[Parameter], seed: int) -> None:
        for tensor in [*fused, *odd]:
            tensor.cells = {**tensor.cells, **self._shared}
        work = self._work(fused)
        pointers = [[t.address(column) for column in work.columns] for t in fused]
        cells = [[t.cells[key] for key in self.chain.cells] for t in fused]
        first = [[t.first.get(part.prefix, False) for part in self.chain.parts] for t in fused]
        prepared = work.prepare(
            views,
            np.array(pointers, np.int64).reshape(len(fused), len(work.columns)),
            np.array(cells, np.float64).reshape(len(fused), len(self.chain.cells)),
            np.array(first, np.bool_).reshape(len(fused), len(self.chain.parts)),
            odd,
            self.threads,
            seed,
        )
        take(lambda: prepared.deeds, lambda: None)
        for tensor, row in zip(fused, prepared.cells, strict=True):
            tensor.cells = dict(zip(self.chain.cells, row.tolist(), strict=True))
        for tensor, values in zip(odd, prepared.odd_cells, strict=True):
            tensor.cells = values
        for tensor in [*fused, *odd][:1]:
            self._shared = {key: tensor.cells[key] for key in self.chain.shared}

    def _work(self, fused: list[Parameter]) -> Work:
        names = ["p", "g", *(slot.qualified for slot in self.chain.slots)]
        kinds, groups = [t.kind(names) for t in fused], [t.lot for t in fused]
        key = (tuple(kinds), tuple(groups))
        if key not in self._works:
            self._works[key] = Work(self.chain, kinds, groups, self.engine)
        return self._works[key]

    @property
    def params(self) -> list[np.ndarray]:
        """The parameters' values now."""
        return [tensor.held["p"].values for tensor in self.tensors]

    def state(self, key: str, number: int = 0) -> np.ndarray:
        """One tensor's state array, by its state_dict key."""
        slot = next(slot for slot in self.chain.slots if slot.key == key)
        return self.tensors[number].held[slot.qualified].values

    @property
    def states(self) -> list[dict[str, np.ndarray]]:
        """Each tensor's arrays by qualified name, without the gradient."""
        return [
            {name: held.values for name, held in tensor.held.items() if name != "g"}
            for tensor in self.tensors
        ]

    @property
    def is_intact(self) -> bool:
        """Whether nothing outside any array was touched."""
        return all(held.is_intact for tensor in self.tensors for held in tensor.held.values())
