"""What is known of one optimizer, stage, schedule or scheduler, as plain data."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from thalweg.chain import Chain, Part
from thalweg.declaration import State
from thalweg.lab.listing import Item
from thalweg.rule import Declared
from thalweg.settings import Setting
from thalweg.source import text_of

__all__ = ["Facts", "SettingSaid", "StateSaid", "facts", "live_states"]

_FLOAT32 = 4  # bytes


@dataclass(frozen=True)
class SettingSaid:
    """One hyper-parameter: its default and what is accepted, in words."""

    name: str
    default: str
    range: str


@dataclass(frozen=True)
class StateSaid:
    """What is kept from step to step: of what there is one, how it starts, and when it is there."""

    name: str
    key: str
    per: str
    start: str
    when: str


@dataclass(frozen=True)
class Facts:
    """All that `thalweg show` tells."""

    name: str
    kind: str
    doc: str
    paper: str
    settings: Sequence[SettingSaid] = ()
    states: Sequence[StateSaid] = ()
    memory: str = ""
    bytes_per_element: int | None = None
    """Of state, for a matrix of float32 under the default settings."""
    source: Sequence[tuple[str, str]] = field(default_factory=list)
    arguments: str = ""


def facts(item: Item) -> Facts:
    """What is known of an item of the list."""
    told = (item.name, item.kind, item.doc, item.paper)
    if item.kind == "optimizers":
        from thalweg.optimizers import OPTIMIZERS

        is_rule = item.name in OPTIMIZERS
        return _of_chain(told, OPTIMIZERS[item.name]) if is_rule else Facts(*told)
    if item.kind == "stages":
        from thalweg import stages

        return _of_stage(told, getattr(stages, item.name))
    return Facts(*told, arguments=_arguments(item))


def _of_chain(told: tuple[str, str, str, str], chain: Chain) -> Facts:
    settings = [_setting(name, one, chain) for name, one in chain.settings.items()]
    of_matrix, of_vector = (live_states(chain, shape) for shape in ((2, 2), (2,)))
    live = {*of_matrix, *of_vector}
    names = [slot.name for slot in chain.slots]
    states = [
        StateSaid(
            slot.name if names.count(slot.name) == 1 else f"{slot.part.prefix}.{slot.name}",
            slot.key,
            _per(slot.state),
            _start(slot.state),
            "always" if slot.is_certain else _sometimes(slot.qualified in live),
        )
        for slot in chain.slots
    ]
    states += [_number(key, chain.parts[i], one) for key, (i, one) in chain.cells.items()]
    size = _FLOAT32 * len(of_matrix)
    return Facts(
        *told,
        settings=settings,
        states=states,
        memory=_memory(len(of_matrix), len(of_vector), chain),
        bytes_per_element=size,
        source=[(_title(part.declared), _update(part.declared)) for part in chain.parts],
    )


def _of_stage(told: tuple[str, str, str, str], stage: type[Declared]) -> Facts:
    declared = stage.declaration
    return Facts(
        *told,
        settings=[
            SettingSaid(name, _shown(one.default), one.accepted)
            for name, one in declared.settings.items()
        ],
        states=[
            StateSaid(name, one.key, _per(one), _start(one), "if needed")
            for name, one in declared.states.items()
        ],
        source=[(_title(stage), _update(stage))],
    )


def _setting(name: str, one: Setting, chain: Chain) -> SettingSaid:
    hidden = name not in chain.signature.shown
    aliases = [alias for alias, of in chain.aliases.items() if of == name]
    said = [one.accepted]
    said += ["fixed" if name in chain.fixed else "kept at its default"] if hidden else []
    said += [f"also called {alias}" for alias in aliases]
    return SettingSaid(name, _shown(one.default), "; ".join(said))


def _shown(value: Any) -> str:
    return repr(value)


def _start(one: State) -> str:
    if isinstance(one.start, str):
        return "the weights" if one.start == "p" else one.start
    return f"{one.start:g}"


def _sometimes(now: bool) -> str:
    return "by default" if now else "if asked for"


def _number(key: str, part: Part, one: State) -> StateSaid:
    names = [n for n, s in part.declared.declaration.cells.items() if part.key(n, s.key) == key]
    name = names[0] if names else "t"
    return StateSaid(name, key, _per(one), _start(one), "always")


def live_states(chain: Chain, shape: tuple[int, ...]) -> list[str]:
    """The states of its own size that a parameter of this shape has by default."""
    slots = chain.live_slots(chain.views(chain.defaults, which=_which(chain, shape)))
    return [slot.qualified for slot in slots if not slot.state.is_apart]


def _which(chain: Chain, shape: tuple[int, ...]) -> int:
    """The number of a shape, by which a chain knows what states it keeps."""
    return (chain.choice.numbers and chain.choice.numbers(shape, {})) or 0


def _per(one: State) -> str:
    return " x ".join(one.per) if isinstance(one.per, tuple) else one.per


def _memory(live: int, of_vector: int, chain: Chain) -> str:
    """The arrays that a matrix has by default, and what else there may be."""
    size = _FLOAT32 * live
    apart = [slot for slot in chain.slots if slot.state.is_apart]
    beside = [f"{slot.name} per {_per(slot.state)}" for slot in apart]
    also = f"; and beside them {', '.join(beside)}" if beside else ""
    if of_vector != live:
        also += f"; {_FLOAT32 * of_vector} bytes where the parameter is no matrix"
    all_of_them = 0 if len(chain.choice.alternatives) > 1 else len(chain.slots) - len(apart)
    if not live and not all_of_them:
        return f"no array of the parameter's size is kept{also}"
    many = f"{live} array{'s' * (live != 1)} of the parameter's size by default"
    more = f", {all_of_them} with every switch on" if all_of_them > live else ""
    return f"{size} bytes of state for each float32 element: {many}{more}{also}"


def _title(declared: type[Declared]) -> str:
    return f"{declared.__name__}.update, in {declared.__module__.replace('.', '/')}.py"


def _update(declared: type[Declared]) -> str:
    """The lines of `update` as they stand in the file, without the decorator."""
    update: Any = declared.update  # type: ignore[attr-defined]
    lines = text_of(update).splitlines()
    return "\n".join(line for line in lines if not line.startswith("@"))


def _arguments(item: Item) -> str:
    from thalweg import schedules
    from thalweg.mytorch.optim import lr_scheduler

    home: Any = schedules if item.kind == "schedules" else lr_scheduler
    taken = inspect.signature(getattr(home, item.name)).parameters.values()
    return ", ".join(_written(taken)) or "nothing"


def _written(taken: Any) -> Iterator[str]:
    for one in taken:
        if one.name == "optimizer":
            continue
        yield one.name if one.default is one.empty else f"{one.name}={one.default!r}"
