"""How each optimizer is drawn: the same colour, dash and marker in every picture of the project."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["KNOWN", "Look", "looks"]

# Okabe and Ito's colours, which colour-blind readers can tell apart and which show on white and on
# black: those two are left out, and so is their yellow, which white swallows.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#8C6BB1")
_DASHES = ((), (5.0, 2.0), (1.5, 1.5), (6.0, 2.0, 1.5, 2.0), (9.0, 3.0))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h")

# The place in this list decides: add new ones at the end, and the others stay as they are. The
# first ones, which meet most often, differ in colour already.
KNOWN = (
    *("SGD", "Ranger", "Adam", "RAdam", "RMSprop", "momentum", "AdamW"),
    *("Lion", "NAdam", "Adagrad", "Adadelta", "Adamax", "LAMB", "LARS"),
    *("AdaBelief", "Muon", "Prodigy", "ScheduleFreeAdamW", "NovoGrad", "ASGD", "Rprop"),
    *("StableAdamW", "CautiousAdamW", "CautiousLion", "Grams", "Adafactor", "LBFGS", "SparseAdam"),
)


@dataclass(frozen=True)
class Look:
    """A colour, a dash (lengths of strokes and gaps, none for a solid line) and a marker."""

    colour: str
    dash: tuple[float, ...]
    marker: str


def looks(labels: Iterable[str]) -> dict[str, Look]:
    """The look of each label: an optimizer's name, or one with settings such as "Ranger(k=5)".

    A label with settings has the colour of its name and another dash. A name that is not in the
    list, a user's own class, gets a place by its letters, behind those of the list; where another
    label of the picture has that place already, the next free one.
    """
    labels = list(dict.fromkeys(labels))
    found = {label: _look(place) for place, label in enumerate(KNOWN)}
    for label in labels:
        if label not in found:
            found[label] = _free(label, set(found.values()))
    return {label: found[label] for label in labels}


def _look(place: int) -> Look:
    """Seven colours, and with each of them dashes and markers in turn: 385 places."""
    row = place // len(_COLOURS)
    marker = _MARKERS[place % len(_MARKERS)]
    return Look(_COLOURS[place % len(_COLOURS)], _DASHES[row % len(_DASHES)], marker)


def _free(label: str, taken: set[Look]) -> Look:
    name = re.split(r"[(:]", label)[0]
    places = len(_COLOURS) * len(_DASHES) * len(_MARKERS)
    first, stride = zlib.crc32(label.encode()) % places, 1
    if name in KNOWN:  # so many places on, the colour is the same again
        first, stride = KNOWN.index(name) + len(_COLOURS), len(_COLOURS)
    order = [_look((first + stride * i) % places) for i in range(places)]
    return next((one for one in order if one not in taken), order[0])
