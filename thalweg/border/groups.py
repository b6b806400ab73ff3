"""Parameter groups, as every border has them: decay filters, and keys that are nobody's.

A parameter is whatever has a `shape`; a group is a mapping with `params` and settings.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import is_
from typing import Any

from thalweg.chain import Chain
from thalweg.either import OTHERS
from thalweg.settings import with_precision

__all__ = [
    "NO_BIAS_NORM",
    "DecayFilters",
    "Lot",
    "NoBiasNorm",
    "check_alike",
    "check_filter",
    "check_keys",
    "decide",
    "is_norm",
    "lots",
    "model_of",
    "no_bias_norm",
    "spared",
]

NO_BIAS_NORM = "no_bias_norm"

Group = Mapping[str, Any]

# what torch, its schedulers and frameworks keep in groups beside an optimizer's settings
ELSEWHERE = {"params", "param_names", "name", "initial_lr", "max_lr", "min_lr", "base_lr", "swa_lr"}
ELSEWHERE |= {"lr_scale", "lr_mult", "decay_mult", "wd_mult", "base_momentum", "max_momentum"}
ELSEWHERE |= {
    OTHERS,
    "foreach",
    "fused",
    "capturable",
    "differentiable",
    "layer_name",
    "layer_decay",
}


@dataclass(frozen=True)
class Lot:
    """Parameters of one group that are treated alike; `spared` ones do not decay."""

    group: Group
    params: Sequence[Any]
    spared: bool = False
    which: int = 0

    def holds_the_same(self, other: Lot) -> bool:
        """Whether another lot is of the same parameters, treated in the same way."""
        ways = self.spared, self.which, len(self.params)
        return ways == (other.spared, other.which, len(other.params)) and all(
            map(is_, self.params, other.params)
        )


def lots(title: str, param_groups: Sequence[Group], chain: Chain | None = None) -> list[Lot]:
    """The groups in order; one with a decay filter is two lots, those that decay first. Where
    parameters of a `chain` differ in their alternative, in what they keep or in a setting that
    goes by their type, each kind is a lot."""
    which = None if chain is None else chain.choice.numbers
    by_type = [] if chain is None else chain.by_type
    found = []
    for group in param_groups:
        if group.get("decay_filter") is None:
            made = [Lot(group, group["params"])]
        else:
            decays = _decays(title, group)
            both = list(zip(group["params"], decays, strict=True))
            made = [
                Lot(group, [p for p, d in both if d is not spared], spared)
                for spared in (False, True)
            ]
        if which is not None:
            made = [one for lot in made for one in _split(lot, which)]
        for name in by_type:
            made = [one for lot in made for one in _by_type(lot, name)]
        found += made
    return found


def _by_type(lot: Lot, name: str) -> list[Lot]:
    """The parameters of a lot by their types, if a setting has a number that depends on it."""
    numbers = lot.group.get(name)
    if not isinstance(numbers, tuple | list) or None not in numbers:
        return [lot]
    found: dict[str, list[Any]] = {}
    for p in lot.params:
        found.setdefault(str(p.dtype).removeprefix("torch."), []).append(p)
    return [
        replace(lot, group={**lot.group, name: with_precision(numbers, type)}, params=params)
        for type, params in found.items()
    ]


def _split(lot: Lot, which: Callable[[Sequence[int], Group], int | None]) -> list[Lot]:
    """The parameters of a lot by their alternatives."""
    found: dict[int, list[Any]] = {}
    for p in lot.params:
        found.setdefault(which(p.shape, lot.group) or 0, []).append(p)
    return [Lot(lot.group, params, lot.spared, one) for one, params in sorted(found.items())]


def spared(title: str, group: Group) -> list[Any]:
    """The parameters of a group that do not decay: their names, or else their places in it."""
    if group.get("decay_filter") is None:
        return []
    decays = _decays(title, group)
    shown = group.get("param_names") or range(len(decays))
    return [one for one, d in zip(shown, decays, strict=True) if not d]


class NoBiasNorm:
    """A decay filter that has looked at a model's modules: see `no_bias_norm`."""

    def __init__(self, model: Any) -> None:
        owners = dict(model.named_modules())
        self._known = {
            p: _is_weight(name, p) and not is_norm(owners.get(name.rpartition(".")[0]))
            for name, p in model.named_parameters()
        }

    def __call__(self, name: str, p: Any) -> bool:
        if p not in self._known:
            what = repr(name) if name else f"a parameter of shape {tuple(p.shape)}"
            raise ValueError(
                f"no_bias_norm(model): {what} is not one of the model's parameters; it must be "
                "given the model that the optimizer moves"
            )
        return self._known[p]


def no_bias_norm(model: Any) -> NoBiasNorm:
    """Give a `decay_filter` that spares a model's biases, its norms and all without two axes.

        AdamW(params, weight_decay=0.1, decay_filter=no_bias_norm(model))

    It asks the modules: whatever belongs to one that is a norm (`LayerNorm`, `BatchNorm2d`, a class
    of your own whose name ends in Norm), of however many axes, does not decay. Embeddings do. It
    needs no names, so that a program which hands over bare parameters can take it; an optimizer
    made from the model itself, `AdamW(model, decay_filter="no_bias_norm")`, does the same, or from
    `model.named_parameters()` as it is. With parameters alone or a list of pairs the word goes by
    axes and names: `norm.weight`, `ln_1.weight`, `bias`.
    """
    if not (hasattr(model, "named_modules") and hasattr(model, "named_parameters")):
        raise TypeError(f"no_bias_norm: model must be a module, got {type(model).__name__}")
    return NoBiasNorm(model)


def model_of(params: Any, kind: Any) -> Any:
    """The module of class `kind` that parameters are given as, or None.

    It is one itself, or what `named_parameters()` of one returned and nobody has begun: such a
    generator knows its module. One that a class of its own made may give other parameters.
    """
    if isinstance(params, kind):
        return params
    if not inspect.isgenerator(params) or inspect.getgeneratorstate(params) != inspect.GEN_CREATED:
        return None
    method = kind.named_parameters
    model = inspect.getgeneratorlocals(params).get("self")
    is_its_own = getattr(type(model), "named_parameters", None) is method
    return model if is_its_own and params.gi_code is method.__code__ else None


class DecayFilters:
    """What an optimizer whose groups may have a decay filter does with it.

    A predicate is asked once, when a group is added, and kept aside for groups that come later:
    no copy or file has it.
    """

    defaults: dict[str, Any]
    param_groups: Any
    _predicate: Callable[[str, Any], bool] | None

    @property
    def _title(self) -> str:
        """The name in errors."""
        raise NotImplementedError

    @property
    def spared(self) -> list[list[Any]]:
        """What the decay filter spares: of each group the names, or else the places in it."""
        return [spared(self._title, group) for group in self.param_groups]

    def _keep_predicate(self) -> None:
        """Take a predicate out of the defaults, where a function could not be pickled."""
        if callable(self.defaults.get("decay_filter")):
            self._predicate = self.defaults["decay_filter"]
            self.defaults["decay_filter"] = None

    def _filter_for(self, group: Group) -> dict[str, Any]:
        """The predicate that the optimizer was made with, for a new group that brings none."""
        if "decay_filter" in group or self.defaults.get("decay_filter") is not None:
            return {}
        if self._predicate is not None:
            return {"decay_filter": self._predicate}
        if any(isinstance(other.get("decay_filter"), list) for other in self.param_groups):
            raise ValueError(
                f"{self._title}: a new group needs its own decay_filter; the predicate "
                "that the optimizer was made with is lost in copies and files"
            )
        return {}


def check_alike(chain: Chain, groups: Sequence[Group]) -> None:
    """Raise where groups differ in a setting that what is one for all tensors needs of all."""
    for name in chain.alike if len(groups) > 1 else ():
        found = sorted({float(group[name]) for group in groups if group["params"]} - {0.0})
        if len(found) > 1 and found[0] > 0:  # else one is out of its range, which is told elsewhere
            raise ValueError(
                f"{chain.name} finds one step size for all parameters together: {name} must be the "
                f"same in all groups, or 0, got {' and '.join(map(repr, found))}"
            )


def check_filter(title: str, value: Any) -> None:
    """Raise for a decay filter that is none."""
    if hasattr(value, "named_modules"):
        raise TypeError(
            f"{title}: decay_filter must be None, {NO_BIAS_NORM!r} or a predicate, got a "
            f"{type(value).__name__}; its norms are known to decay_filter=no_bias_norm(model)"
        )
    if not (value is None or _is_word(value) or callable(value) or _is_decided(value)):
        raise ValueError(
            f"{title}: decay_filter must be None, {NO_BIAS_NORM!r} or a predicate of (name, "
            f"parameter) that says which parameters decay, got {value!r}"
        )


def decide(title: str, group: dict[str, Any], model: Any = None) -> None:
    """Replace a predicate by what it says of each parameter: a state_dict cannot hold functions.

    Where the parameters were given as a model, the word is decided by its modules, too.
    """
    decays: Callable[[str, Any], bool] | Any = group.get("decay_filter")
    if model is not None and _is_word(decays):
        decays = no_bias_norm(model)
    if callable(decays):
        names = group.get("param_names")
        if names is None:
            if not isinstance(decays, NoBiasNorm):
                raise ValueError(
                    f"{title}: a predicate as decay_filter needs the parameters' names; make the "
                    "optimizer from model.named_parameters(), or, where the parameters come "
                    f"without names, take decay_filter={NO_BIAS_NORM!r} or no_bias_norm(model)"
                )
            names = [""] * len(group["params"])
        pairs = zip(names, group["params"], strict=True)
        group["decay_filter"] = [bool(decays(name, p)) for name, p in pairs]


def check_keys(title: str, given: Iterable[str], settings: Collection[str]) -> None:
    """Warn of keys that are nearly a setting: no rule reads them, so it must be a slip."""
    for key in given:
        meant = _meant(key, tuple(settings))
        if meant is not None:
            warnings.warn(
                f"{title}: a group has {key!r}, which no setting is called, did you mean "
                f"{meant!r}? It is kept, and nothing reads it",
                stacklevel=4,
            )


@functools.lru_cache(maxsize=1024)
def _meant(key: Any, settings: tuple[str, ...]) -> str | None:
    """The setting that a key nearly is."""
    if not isinstance(key, str) or key in settings or key in ELSEWHERE:
        return None
    # 0.8 takes two letters in turn of five, alhpa; and any letter before or behind lr
    for meant in difflib.get_close_matches(key.lower(), settings, 1, cutoff=0.8):
        # a setting with another word before or behind it is some program's own, as lr0 is
        is_longer = meant in key and len(key) - len(meant) >= min(len(meant) - 1, 3)
        if not (is_longer or _has_another_word(key.lower(), meant)):
            return meant
    return None


def _has_another_word(key: str, meant: str) -> bool:
    """Whether one of the words is another, and no slip: lr_factor is not clip_factor."""
    pairs = list(zip(key.split("_"), meant.split("_"), strict=False))
    others = [pair for pair in pairs if pair[0] != pair[1]]
    is_one = key.count("_") == meant.count("_") and len(others) == 1 < len(pairs)
    return is_one and difflib.SequenceMatcher(None, *others[0]).ratio() < 0.5


def _decays(title: str, group: Group) -> list[bool]:
    """Whether each parameter of a group decays."""
    decays, params = group["decay_filter"], list(group["params"])
    if _is_word(decays):
        names = group.get("param_names") or [""] * len(params)
        return [
            _is_weight(name, p) and not _names_norm(name)
            for name, p in zip(names, params, strict=True)
        ]
    if not _is_decided(decays) or len(decays) != len(params):
        raise ValueError(
            f"{title}: decay_filter must be {NO_BIAS_NORM!r} or one truth value for each of the "
            f"group's {len(params)} parameters, got {decays!r}"
        )
    return list(map(bool, decays))


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value == NO_BIAS_NORM


def _is_decided(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(v, bool) for v in value)


def _is_weight(name: str, p: Any) -> bool:
    """Whether a parameter is no bias, and has two axes or more."""
    return len(p.shape) > 1 and not _names_bias(name)


@functools.lru_cache(maxsize=1 << 14)
def _names_bias(name: str) -> bool:
    """`bias`, `in_proj_bias`, `bias_hh_l0`, `relative_position_bias_table`."""
    return "bias" in _words(name.rpartition(".")[2])


@functools.lru_cache(maxsize=1 << 14)
def _names_norm(name: str) -> bool:
    """Whether a parameter's module is called as norms are: `norm`, `ln_1`, `LayerNorm`, `norms.0`.

    A norm may be called otherwise, as those of a Sequential are: then only a model tells.
    """
    *path, _ = ["", *name.split(".")]
    if path[-1].isdigit():  # one of several
        return _words(path[-2])[-1:] in (["norms"], ["layernorms"])
    last = _words(path[-1])[-1:]
    return last in (["ln"], ["bn"], ["gn"]) or bool(last and last[0].endswith("norm"))


def _words(text: str) -> list[str]:
    """The words of a name; one letter is none, nor is a number."""
    return re.findall(r"[a-z]{2,}", text.lower())


def is_norm(module: Any) -> bool:
    """Whether a module is a norm by its class or one that it is derived from."""
    return any(re.search(r"norm(\dd)?$", kind.__name__.lower()) for kind in type(module).__mro__)
