"""An optimizer as it is written at the command line: its name, its settings, ranges to search.

ranger                      one of thalweg's, in any case
ranger(k=5, lr=0.01)        with settings
adam(lr=1e-4..1e-1)         lr is searched there; so may any other number be
muon(others=adamw)          a rule for matrices, with another for all the rest
torch.optim:AdamW           a class of any installed package
FILE.py:Rule                a rule, a chain or an optimizer class of the user's own
"""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from thalweg.border.others import with_others
from thalweg.either import OTHERS
from thalweg.lab.errors import UserError
from thalweg.lab.loading import is_place
from thalweg.lab.names import found
from thalweg.naming import BESIDE
from thalweg.optimizers import OPTIMIZERS

__all__ = ["Range", "Specification", "filled", "ranges", "read", "shown", "split"]

# the dot of a number is none of the two of a range
_NUMBER = r"[-+]?(?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})")
_FORM = re.compile(r"\s*([^()\s]+)\s*(?:\((.*)\))?\s*", re.S)


@dataclass(frozen=True)
class Range:
    """Where a setting is searched: evenly, by its logarithm, or over whole numbers."""

    low: float
    high: float
    kind: Literal["linear", "log", "whole"] = "log"

    def at(self, share: float) -> float:
        """The value at a share of the way from low to high."""
        if self.kind == "whole":
            return min(int(self.high), int(self.low + share * (self.high - self.low + 1)))
        if self.kind == "log":
            low, high = math.log(self.low), math.log(self.high)
            return math.exp(low + share * (high - low))
        return self.low + share * (self.high - self.low)

    def share(self, value: float) -> float:
        """How far a value is on the way from low to high."""
        if self.kind == "log":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"


@dataclass(frozen=True)
class Specification:
    """An optimizer, and of its settings those that were given; a `Range` stands for a search."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """How it is called where it is shown: its name, with what was given but for lr."""
        given = ", ".join(f"{key}={shown(v)}" for key, v in self.settings.items() if key != "lr")
        return f"{self.name}({given})" if given else self.name

    @property
    def is_own(self) -> bool:
        """Whether thalweg's registry has it."""
        return self.name in OPTIMIZERS

    def with_lr(self, lr: Any) -> Specification:
        return replace(self, settings={**self.settings, "lr": lr})


def split(texts: Sequence[str]) -> list[str]:
    """Several optimizers in one text are parted by commas, those within brackets apart."""
    parts = []
    for text in texts:
        depth, begin = 0, 0
        for place, letter in enumerate(text):
            depth += (letter == "(") - (letter == ")")
            if letter == "," and depth == 0:
                parts.append(text[begin:place])
                begin = place + 1
        parts.append(text[begin:])
    return [part.strip() for part in parts]


def read(text: str) -> Specification:
    """Read one optimizer; raises UserError for a name, a setting or a value that cannot be."""
    match = _FORM.fullmatch(text)
    if match is None:
        if not text.strip():
            found(text, OPTIMIZERS, list(OPTIMIZERS))
        raise UserError(
            f"an optimizer must be NAME or NAME(SETTING=VALUE, ...), such as ranger(k=5), "
            f"got {text!r}"
        )
    name = _name(match[1])
    settings = _settings(text, match[2] or "")
    if isinstance(settings.get("lr"), Range):
        settings["lr"] = replace(settings["lr"], kind="log")
    specification = Specification(name, settings)
    _check_lr(name, settings)
    if specification.is_own:
        _check(specification)
    return specification


def _name(typed: str) -> str:
    if is_place(typed):
        return typed
    known = [*OPTIMIZERS, *(name for name in BESIDE if name not in OPTIMIZERS)]
    return found(typed, known, sorted(known))


def _settings(text: str, inside: str) -> dict[str, Any]:
    source = _RANGE.sub(r"_range(\1, \2)", inside)
    try:
        call = ast.parse(f"_({source})", mode="eval").body
        assert isinstance(call, ast.Call)
        if call.args or any(each.arg is None for each in call.keywords):
            raise ValueError("a setting must be NAME=VALUE")
        return {str(each.arg): _value(each.value) for each in call.keywords}
    except (SyntaxError, ValueError, AssertionError, TypeError) as error:
        reason = "" if isinstance(error, SyntaxError | AssertionError) else f": {error}"
        raise UserError(
            f"{text}: settings must be NAME=VALUE with commas between, such as ranger(k=5) or "
            f"adam(lr=1e-4..1e-1){reason}"
        ) from None


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        if not (isinstance(node.func, ast.Name) and node.func.id == "_range"):
            raise ValueError("a value must be a number, a word in quotes, or a range LOW..HIGH")
        low, high = map(ast.literal_eval, node.args)
        if not low < high or not math.isfinite(high - low):
            raise ValueError(f"a range must be LOW..HIGH, got {low:g}..{high:g}")
        if isinstance(low, int) and isinstance(high, int):
            return Range(low, high, "whole")
        return Range(low, high, "log" if low > 0 and high / low >= 10 else "linear")
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(map(_value, node.elts))
    if isinstance(node, ast.Name) and node.id in ("true", "false"):
        return node.id == "true"
    if isinstance(node, ast.Name):  # a choice without its quotes
        return node.id
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(
            "a value must be a number, a word in quotes, or a range LOW..HIGH"
        ) from None


def _check(specification: Specification) -> None:
    """Hold the settings of one of ours to what its rule declares, both ends of a range too."""
    name, chain = specification.name, OPTIMIZERS[specification.name]
    known = {*chain.settings, *chain.defaults}
    if OTHERS in specification.settings and chain.choice.is_choosy:
        try:
            chain = with_others(chain, specification.settings[OTHERS])
        except (TypeError, ValueError) as error:
            raise UserError(str(error)) from None
        known |= {OTHERS, *chain.settings}
    for key in specification.settings:
        if key not in known:
            close = difflib.get_close_matches(key, chain.settings, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise UserError(
                f"{name} has no setting {key!r}{hint}; it has {', '.join(chain.settings)}"
            )
    for share in (0.0, 1.0):
        values = {key: one.at(share) for key, one in ranges(specification.settings).items()}
        for key, value in filled(specification.settings, values).items():
            if key in chain.settings:
                try:
                    chain.settings[key].check(f"{name}: {key}", value)
                except (TypeError, ValueError) as error:
                    raise UserError(str(error)) from None


def _check_lr(name: str, settings: Mapping[str, Any]) -> None:
    lr = settings.get("lr")
    ends = (lr.low, lr.high) if isinstance(lr, Range) else (lr,) if "lr" in settings else ()
    for end in ends:
        if isinstance(end, bool) or not isinstance(end, int | float) or not 0 < end < math.inf:
            raise UserError(f"{name}: lr must be a number above 0, got {end!r}")


def ranges(settings: Mapping[str, Any]) -> dict[str, Range]:
    """Every range among settings; one in a tuple goes by its place, as in `betas[1]`."""
    return dict(_ranges(settings))


def _ranges(settings: Mapping[str, Any]) -> Iterator[tuple[str, Range]]:
    for key, value in settings.items():
        if isinstance(value, Range):
            yield key, value
        elif isinstance(value, tuple):
            yield from _ranges({f"{key}[{place}]": part for place, part in enumerate(value)})


def filled(settings: Mapping[str, Any], values: Mapping[str, float]) -> dict[str, Any]:
    """Settings with a value in the place of each range."""
    return {key: _filled(key, value, values) for key, value in settings.items()}


def _filled(key: str, value: Any, values: Mapping[str, float]) -> Any:
    if isinstance(value, tuple):
        return tuple(_filled(f"{key}[{i}]", part, values) for i, part in enumerate(value))
    return values[key] if isinstance(value, Range) else value


def shown(value: Any) -> str:
    """A setting as it is typed."""
    if isinstance(value, tuple):
        return f"({', '.join(map(shown, value))})"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
