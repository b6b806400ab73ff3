"""Who walks over a surface: an optimizer of the registry, a package's or a user's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from thalweg.chain import Chain, chain
from thalweg.lab.errors import UserError
from thalweg.lab.frameworks import load_backend
from thalweg.lab.loading import is_place, load
from thalweg.lab.specification import ranges, read, split
from thalweg.lab.stepping import wants_closure
from thalweg.optimizers import OPTIMIZERS
from thalweg.rule import Rule
from thalweg.source import unknown

__all__ = ["CLASSIC", "MOMENTUM", "Entrant", "entrant", "entrants", "out_of_place"]

CLASSIC = ("SGD", "momentum", "RMSprop", "Adam", "RAdam", "Ranger")

MOMENTUM = "momentum"


@dataclass(frozen=True)
class Entrant:
    """An optimizer under the label of the pictures; `lr` where it is given and not to be tuned.

    `kind` is a chain, or a class of some package that makes optimizers of parameters; it steps
    parameters of the framework called `backend`.
    """

    label: str
    kind: Any
    settings: Mapping[str, Any] = field(default_factory=dict)
    lr: float | None = None
    backend: str = "mytorch"

    @property
    def chain(self) -> Chain | None:
        """What it is made of, where that is known."""
        return self.kind if isinstance(self.kind, Chain) else None

    @property
    def name(self) -> str:
        """That of the chain or the class."""
        return self.kind.name if isinstance(self.kind, Chain) else str(self.kind.__name__)

    def make(self, groups: list[dict[str, Any]]) -> Any:
        """One for groups of parameters with a rate each."""
        return load_backend(self.backend).class_of(self.kind, self.label)(groups, **self.settings)


def entrants(
    specs: Sequence[str], rates: Sequence[str] = (), backend: str = "mytorch"
) -> list[Entrant]:
    """The entrants that a command line names, with the learning rates that it gives.

    A rate is a number, which is for all, or NAME=VALUE. Raises UserError.
    """
    chosen: dict[str, Entrant] = {}
    for spec in split(specs) or CLASSIC:
        one = entrant(spec, backend)
        if one.label in chosen and chosen[one.label].kind is not one.kind:
            one = replace(one, label=spec.strip())  # of two files, say
        chosen[one.label] = one
    for option in rates:
        name, equals, value = option.rpartition("=")
        if not equals:
            rate = _rate("--lr", value)
            chosen = {label: replace(one, lr=one.lr or rate) for label, one in chosen.items()}
            continue
        label = entrant(name.strip(), backend).label
        if label not in chosen:
            raise UserError(f"--lr {option}: {label} is not among {', '.join(chosen)}")
        chosen[label] = replace(chosen[label], lr=_rate(f"--lr {option}", value))
    return list(chosen.values())


def entrant(spec: str, backend: str = "mytorch") -> Entrant:
    """One entrant out of a specification, such as adam, "ranger(k=5)", FILE.py:Rule or, with torch,
    torch.optim:AdamW.

    `momentum` is SGD with a momentum of 0.9. Raises UserError.
    """
    name = spec.partition("(")[0].strip()
    is_momentum = name.lower() == MOMENTUM
    told = read(f"SGD{spec.strip()[len(name) :]}" if is_momentum else spec)
    if ranges(told.settings):
        raise UserError(f"{spec}: a setting is one value here; lr is tuned where it is not given")
    kind = _kind(told.name, backend)
    called = kind.name if isinstance(kind, Chain) else kind.__name__
    is_named_alike = called in OPTIMIZERS and kind is not OPTIMIZERS[called]
    title = MOMENTUM if is_momentum else told.name if is_named_alike else called
    settings = {key: value for key, value in told.settings.items() if key != "lr"}
    label = replace(told, name=title).label
    if is_momentum:
        settings = {"momentum": 0.9, **settings}
    made = Entrant(label, kind, settings, told.settings.get("lr"), backend)
    (_check if isinstance(kind, Chain) else _try)(spec, made)
    return made


def _kind(name: str, backend: str) -> Any:
    """The chain or the class of a name, or of where one is."""
    border = load_backend(backend)
    if name in OPTIMIZERS:
        kind: Any = OPTIMIZERS[name]
    elif is_place(name):
        kind = load(name, name)
        if isinstance(kind, type) and issubclass(kind, Rule):
            try:
                kind = chain(kind.__name__, kind)
            except (TypeError, ValueError) as error:
                raise UserError(f"{name}: {error}") from None
    else:
        kind = border.optimizer_class(name)
    if isinstance(kind, Chain):
        if reason := out_of_place(kind):
            raise UserError(f"{name} cannot take part: {reason}")
    elif not (isinstance(kind, type) and hasattr(kind, "step")):
        raise UserError(
            f"{name} must be a rule, such as `class Mine(Rule)` with thalweg.rule.Rule, a chain of "
            f"thalweg.chain.chain, or an optimizer class, got {kind!r}"
        )
    return kind


def out_of_place(made: Chain) -> str:
    """Why an optimizer has nothing to do on a surface; empty, if it has."""
    if any(rule.rows_only for rule in made.rules):
        return "it is for the sparse gradients of embeddings, and there are none here"
    if made.choice.which((2,)) is None:
        return "it moves matrices only, and a point is none"
    if any(one.of != "loss" for one in made.requests.values()):
        return "it asks for targets drawn from a model's predictions, and a surface has no model"
    return "it works on rows and columns, and a point has none" if made.on_matrices else ""


def _check(spec: str, one: Entrant) -> None:
    """Settings go together, and a user's own optimizer has them, and a rate to be tuned."""
    made, settings = one.chain, one.settings
    assert made is not None, "a class is tried"
    for key in settings:
        if key not in made.settings or key in made.fixed:
            raise UserError(f"{spec}: {made.name}: {unknown(key, made.signature.shown)}")
    if "lr" not in made.settings:
        raise UserError(f"{spec}: {made.name} has no setting lr, which is what is tuned here")
    try:
        made.check({**made.defaults, **settings})
    except (TypeError, ValueError) as error:
        raise UserError(f"{spec}: {error}") from None


def _try(spec: str, one: Entrant) -> None:
    """A class that nothing is known of makes an optimizer of a point, and that takes a step."""
    backend = load_backend(one.backend)
    point = backend.parameter(np.zeros(2))
    try:
        made = one.make([{"params": [point], "lr": 0.1}])
        backend.put_gradient(point, np.ones(2))
        made.step(*([lambda: 1.0] if wants_closure(made) else []))
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"{spec} cannot take part with --backend {one.backend}: an optimizer of a point of "
            f"two float64 numbers fails with {text}"
        ) from error


def _rate(where: str, value: Any) -> float:
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise UserError(f"{where}: lr must be a number above 0, got {value!r}")
    return rate
