"""What the operator of a traced step is given: collected from the groups, and told apart again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from types import SimpleNamespace
from typing import Any

from torch import Tensor

from thalweg.averaging import at_rest
from thalweg.border.groups import Lot, lots
from thalweg.chain import Chain, Slot
from thalweg.optim.memory.seen import Seen, look
from thalweg.optim.memory.states import First, NewStates
from thalweg.optim.traced import Trace
from thalweg.settings import as_double

__all__ = ["collect", "unpacked", "views_of"]

States = MutableMapping[Tensor, dict[str, Any]]


def collect(
    chain: Chain,
    group: Mapping[str, Any],
    states: States,
    first: First,
    into: tuple[list[Tensor], list[Tensor], list[Tensor]],
) -> tuple[list[Tensor], list[int], list[Tensor], list[int]]:
    """Add what the step of one group touches to the lists of parameters, gradients and states,
    and make the states it lacks, whose `first` step is then ahead; returns what moves and what
    rests, each by lots."""
    params, grads, held = into
    all_lots = lots(chain.name, [group], chain)
    moving = look(all_lots, rests=True)
    grads += moving.grads
    found: list[tuple[list[Tensor], list[int]]] = []
    for links, seen in ((chain, moving), (at_rest(chain), moving.resting)):
        if links is None or seen is None:
            found.append(([], [0] * len(all_lots)))
            continue
        found.append((seen.params, seen.sizes))
        params += seen.params
        for p, lot in zip(seen.params, seen.lots(), strict=True):
            views = _views(links, group, all_lots[lot], as_tensors=True)
            slots = links.live_slots(views)
            its = states[p] if slots or links.cells else {}
            NewStates(first).make(links, its, p, slots, views, group)
            held += [its[key] for key in _keys(links, slots)]
    return *found[0], *found[1]


def unpacked(
    chain: Chain,
    traces: Sequence[Trace],
    groups: Sequence[Mapping[str, Any]],
    given: tuple[Iterator[Tensor], Iterator[Tensor], Iterator[Tensor]],
) -> tuple[Seen, dict[Tensor, dict[str, Any]], list[tuple[Tensor, Tensor]]]:
    """What is to be stepped, its states, and each parameter of the optimizer with the one given in
    its place."""
    params, grads, held = given
    moving, resting = Seen([], [], []), Seen([], [], [])
    states: dict[Tensor, dict[str, Any]] = {}
    places: list[tuple[Tensor, Tensor]] = []
    for trace, group in zip(traces, groups, strict=True):
        all_lots = lots(chain.name, [group], chain)
        for links, own, seen in (
            (chain, Seen(trace.params, [], trace.sizes), moving),
            (at_rest(chain), Seen(trace.resting, [], trace.resting_sizes), resting),
        ):
            seen.sizes += own.sizes
            for mine, lot in zip(own.params, own.lots(), strict=True):
                assert links is not None
                p = next(params)
                places.append((mine, p))
                seen.params.append(p)
                seen.grads.append(next(grads) if seen is moving else p)
                slots = links.live_slots(_views(links, group, all_lots[lot]))
                states[p] = {key: next(held) for key in _keys(links, slots)}
    moving.resting = resting if resting.params else None
    return moving, states, places


def _views(chain: Chain, group: Mapping[str, Any], lot: Lot, as_tensors: bool = False) -> list[Any]:
    return chain.views(group, lot.spared, as_tensors, lot.which)


def _keys(chain: Chain, slots: Sequence[Slot]) -> list[str]:
    """The keys of a parameter's state, in the operator's order."""
    return [*chain.cells, *(slot.key for slot in slots)]


def views_of(chain: Chain, lot: Lot, differentiable: bool) -> list[SimpleNamespace]:
    """The settings of a lot by part: numbers, and under autograd tensors where they hang on it."""
    views = chain.views(lot.group, lot.spared, differentiable, lot.which)
    for h in (h for h in views if h is not None) if differentiable else ():
        vars(h).update({name: _number(value) for name, value in vars(h).items()})
    return views


def _number(value: Any) -> Any:
    """A setting without axes, which it would give to what it meets."""
    if isinstance(value, tuple | list):
        return tuple(map(_number, value))
    return as_double(value.reshape(())) if isinstance(value, Tensor) else value
