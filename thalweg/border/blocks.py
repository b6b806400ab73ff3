"""What of a parameter's matrices is a block, whatever their rule, and what blocks keep.

States per element have their parameter's shape. Of what else a block keeps, one array has that of
all blocks: see `stacked`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from thalweg.border.groups import Lot
from thalweg.chain import Chain, Slot
from thalweg.choice import BLOCKS
from thalweg.text import Level
from thalweg.view import Blocks

__all__ = [
    "check_blocks",
    "is_asked",
    "is_cut",
    "kept_in_blocks",
    "kept_of",
    "number_of",
    "numbers_of_blocks",
    "slots_of",
    "stacked",
]

Shape = tuple[int, ...]


def stacked(shapes: Sequence[Shape]) -> Shape:
    """The shape of the one array in which blocks keep arrays of these shapes: with an axis more
    in front, one behind the other, where they are alike; in one row, where they are not; that of
    the block itself, where there is one."""
    if len(shapes) == 1:
        return shapes[0]
    are_alike = len(set(shapes)) == 1
    return (len(shapes), *shapes[0]) if are_alike else (sum(map(math.prod, shapes)),)


def kept_in_blocks(
    chain: Chain, shape: Sequence[int], group: Mapping[str, Any]
) -> dict[str, Shape] | None:
    """The shapes of the arrays that a parameter in blocks keeps, by key; None for a whole one."""
    blocks = chain.choice.blocks(shape, group)
    if blocks is None:
        return None
    each = kept_of(chain, blocks, group)
    found = {key: stacked([own[key] for own in each if key in own]) for key in _keys(each)}
    slots = slots_of(chain, shape, group)
    found |= {slot.key: tuple(shape) for slot in slots if not slot.state.is_apart}
    if len(blocks.shapes) > 1:
        found |= dict.fromkeys(numbers_of_blocks(chain), (len(blocks.shapes),))
    return found


def is_asked(groups: Iterable[Mapping[str, Any]]) -> bool:
    """Whether any of these groups may have parameters in blocks."""
    return any(group.get(name) for group in groups for name in BLOCKS)


def is_cut(chain: Chain, lots: Iterable[Lot]) -> bool:
    """Whether any of these parameters is stepped in blocks."""
    if not chain.choice.takes_blocks:
        return False
    asked = [lot for lot in lots if is_asked([lot.group])]
    return any(chain.choice.blocks(p.shape, lot.group) for lot in asked for p in lot.params)


def check_blocks(chain: Chain, settings: Mapping[str, Any]) -> None:
    """Raise for what a group cannot say of the blocks of its matrices."""
    for name, setting in BLOCKS.items():
        if name in settings:
            setting.check(f"{chain.name}: {name}", settings[name])
    asked = [name for name in BLOCKS if settings.get(name)]
    if not asked or not chain.choice.takes_blocks:
        return
    if chain.shared:
        raise TypeError(
            f"{chain.name}: {asked[0]} makes a parameter of each block, and "
            f"{', '.join(chain.shared)} is kept for all parameters together; leave it at 0"
        )
    of_blocks = numbers_of_blocks(chain)
    for part in chain.parts:
        text, cells = part.declared.text, part.declared.declaration.cells
        for key, name in ((part.key(name, s.key), name) for name, s in cells.items()):
            is_measured = text.levels.get(name, Level.STEP) > Level.STEP
            if is_measured and key not in of_blocks and part.which is None:
                raise TypeError(
                    f"{chain.name}: {asked[0]} makes a parameter of each block, and {key} is "
                    "measured of a whole one; leave it at 0"
                )


def numbers_of_blocks(chain: Chain) -> list[str]:
    """The keys of numbers of which each block has one: those of rules on matrices."""
    parts = [part for part in chain.parts if part.declared.text.matrices]
    cells = [
        (part, name, s) for part in parts for name, s in part.declared.declaration.cells.items()
    ]
    return [part.key(name, s.key) for part, name, s in cells]


def slots_of(chain: Chain, shape: Sequence[int], group: Mapping[str, Any]) -> list[Slot]:
    """The arrays that a parameter may keep."""
    which = chain.choice.which(shape, group)
    return [slot for slot in chain.slots if slot.part.which in (None, which)]


def number_of(chain: Chain, shape: Shape, group: Mapping[str, Any]) -> int:
    """What `Chain.views` is told of a block of this shape."""
    numbers = chain.choice.numbers
    return 0 if numbers is None else numbers(shape, group)


def kept_of(
    chain: Chain, blocks: Blocks, group: Mapping[str, Any], spared: bool = False
) -> list[dict[str, Shape]]:
    """Of each block the arrays that it keeps and that are not of its own shape, by key."""
    known: dict[Shape, dict[str, Shape]] = {}
    for shape in dict.fromkeys(blocks.shapes):
        views = chain.views(group, spared, which=number_of(chain, shape, group))
        known[shape] = {
            slot.key: slot.state.shape(shape, views[chain.parts.index(slot.part)])
            for slot in chain.live_slots(views)
            if slot.state.is_apart
        }
    return [known[shape] for shape in blocks.shapes]


def _keys(each: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for own in each for key in own))
