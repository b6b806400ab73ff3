"""How each optimizer is drawn: the same colour, dash and marker in every picture of the project."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from thalweg.optimizers import OPTIMIZERS

__all__ = ["KNOWN", "Look", "looks"]

# Okabe and Ito's colours, which colour-blind readers can tell apart and which show on white and on
# black: those two are left out, and so is their yellow, which white swallows.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#8C6BB1")
# So many that it has no divisor with the markers in common, or some places would never come up.
_DASHES = (
    *((), (5.0, 2.0), (1.5, 1.5), (6.0, 2.0, 1.5, 2.0), (9.0, 3.0), (9.0, 2.0, 3.0, 2.0)),
    *((6.0, 2.0, 1.5, 2.0, 1.5, 2.0), (1.5, 4.0), (3.0, 3.0), (4.0, 1.0, 4.0, 4.0)),
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h")

# The place in this list decides: add new ones at the end, and the others stay as they are. The
# first ones, which meet most often, differ in colour already; the first 70 in colour and dash. One
# that the registry has and this list has not gets a place by its letters.
KNOWN = (
    *("SGD", "Ranger", "Adam", "RAdam", "RMSprop", "momentum", "AdamW"),
    *("Lion", "NAdam", "Adagrad", "Adadelta", "Adamax", "LAMB", "LARS"),
    *("AdaBelief", "Muon", "Prodigy", "ScheduleFreeAdamW", "NovoGrad", "ASGD", "Rprop"),
    *("StableAdamW", "CautiousAdamW", "CautiousLion", "Grams", "Adafactor", "LBFGS", "SparseAdam"),
    *("SOAP", "Shampoo", "Sophia", "SAM", "AdamMini", "CAME", "SGDW"),
    *("ADOPT", "AdEMAMix", "Adan", "Signum", "LaProp", "MARS", "Yogi"),
    *("ScheduleFreeSGD", "Scion", "Dion", "NorMuon", "AdaMuon", "APOLLO", "GaLore"),
    *("DAdaptAdam", "DAdaptSGD", "AdamAtan2", "AdamP", "SGDP", "MADGRAD", "ScheduleFreeRAdam"),
    *("QHAdam", "QHM", "AggMo", "Tiger", "AdaBound", "AdaHessian", "SPAM"),
    *("StableSPAM", "Padam", "DiffGrad", "FTRL", "Adai", "Amos", "SimplifiedAdEMAMix"),
    "MuSGD",
)


@dataclass(frozen=True)
class Look:
    """A colour, a dash (lengths of strokes and gaps, none for a solid line) and a marker."""

    colour: str
    dash: tuple[float, ...]
    marker: str


def looks(labels: Iterable[str]) -> dict[str, Look]:
    """The look of each label: an optimizer's name, or one with settings such as "Ranger(k=5)".

    A label with settings, and one of another package such as "torch.optim:AdamW", has the colour of
    its name and another dash. A name that nobody has listed, a user's own class, gets a place by
    its letters, behind those of the list; where another label of the picture has that place
    already, the next free one.
    """
    labels = list(dict.fromkeys(labels))
    found = dict(_listed())
    for label in labels:
        if label not in found:
            found[label] = _free(label, set(found.values()))
    return {label: found[label] for label in labels}


@lru_cache(maxsize=1)
def _listed() -> Mapping[str, Look]:
    """The looks of every optimizer that there is, whoever else is in a picture."""
    found = {label: _look(place) for place, label in enumerate(KNOWN)}
    for name in OPTIMIZERS:
        if name not in found:
            found[name] = _free(name, set(found.values()))
    return found


def _look(place: int) -> Look:
    """Seven colours, and with each of them dashes and markers in turn: 770 places."""
    row = place // len(_COLOURS)
    marker = _MARKERS[place % len(_MARKERS)]
    return Look(_COLOURS[place % len(_COLOURS)], _DASHES[row % len(_DASHES)], marker)


def _free(label: str, taken: set[Look]) -> Look:
    name = label.partition("(")[0].rpartition(":")[2]
    places = len(_COLOURS) * len(_DASHES) * len(_MARKERS)
    first, stride = zlib.crc32(label.encode()) % places, 1
    plain = None
    if name in KNOWN and name != label:  # so many places on, the colour is the same again
        first, stride = KNOWN.index(name) + len(_COLOURS), len(_COLOURS)
        plain = _look(KNOWN.index(name)).dash
    order = [_look((first + stride * i) % places) for i in range(places)]
    free = (one for one in order if one not in taken and one.dash != plain)
    return next(free, order[0])
