"""What schedulers save, and what of a saved state they can use.

A state may have been through a file that knows fewer kinds of containers (JSON, a distributed
checkpoint): whatever says the same is taken. What cannot be used is refused before anything of it
is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from thalweg.number import as_float, is_number, plain
from thalweg.optim.lr_scheduler.beginning import begin
from thalweg.schedules.place import copied
from thalweg.schedules.preview import Previewed
from thalweg.schedules.ranges import LAST_EPOCH, WHOLE
from thalweg.schedules.whole import leaves
from thalweg.settings import Setting

__all__ = ["Saved", "apart", "as_counts", "as_list", "as_mapping", "as_numbers", "as_setting"]


class Saved(Previewed):
    """`state_dict` and `load_state_dict`, and the check of arguments, for every scheduler."""

    param: str = "lr"
    # Attributes that torch's class of the same name does not save, so that states interchange.
    _unsaved: ClassVar[tuple[str, ...]] = ("optimizer",)
    # The arguments that are kept under their own names, and what torch says of a wrong one.
    _arguments: ClassVar[Mapping[str, Setting]] = {}
    _words: ClassVar[Mapping[str, str]] = {}
    # What else is a number, or a list of one for each group.
    _numbers: ClassVar[Mapping[str, Setting]] = {"last_epoch": LAST_EPOCH, "_step_count": WHOLE}
    _lists: ClassVar[tuple[str, ...]] = ()

    def _keep(self, **arguments: Any) -> None:
        """Check arguments, each against its range, and keep them under their names."""
        owner = type(self).__name__
        kept = {
            name: as_setting(owner, name, value, self._arguments[name], self._words)
            for name, value in arguments.items()
        }
        vars(self).update(kept)

    def _anew(self) -> None:
        for leaf in leaves(self):
            if hasattr(leaf, "_reset"):  # what it has seen of a metric
                leaf._reset()
        begin(self)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, under the keys that torch's class has."""
        return {k: apart(value) for k, value in vars(self).items() if k not in self._unsaved}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take up a state of this class or of torch's class of the same name."""
        vars(self).update(self._usable(state_dict))

    def _usable(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        """A state as this scheduler keeps it, or an error for what it could not go on with."""
        owner = type(self).__name__
        given = as_mapping(owner, "state_dict", state_dict)
        saved = given.get("param", "lr")
        if saved != self.param:
            raise ValueError(f"{owner}: param must be {self.param!r} in the state, got {saved!r}")
        state = {key: apart(value) for key, value in given.items() if key not in self._unsaved}
        for name, setting in {**self._numbers, **self._arguments}.items():
            if name in state:
                state[name] = as_setting(owner, name, state[name], setting, self._words)
        for name in (*self._lists, "_last_lr"):
            if name in state:
                state[name] = as_numbers(owner, name, state[name])
        return state


def apart(value: Any) -> Any:
    """A value of a state, with containers and tensors of its own."""
    if isinstance(value, dict):
        made = value.copy()  # of its own kind, such as a Counter, whose `update` would add up
        for key, each in value.items():
            made[key] = apart(each)
        return made
    if type(value) in (list, tuple):
        return type(value)(map(apart, value))
    return copied(value)


def as_setting(
    owner: str, name: str, value: Any, setting: Setting, words: Mapping[str, str]
) -> Any:
    """A value inside its range, as Python's; with torch's words in the error, if it has some."""
    try:
        setting.check(f"{owner}: {name}", value)
    except ValueError as error:
        said = f" ({words[name].format(value)})" if name in words else ""
        raise ValueError(f"{error}{said}") from None
    if setting.is_switch:
        return value
    if isinstance(setting.default, int):
        return int(value)
    bare = plain(value)
    return bare if type(bare) in (int, float) else as_float(bare)


def as_mapping(owner: str, name: str, value: Any) -> dict[str, Any]:
    """A mapping with names for keys."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError(f"{owner}: {name} must be a dictionary with names, got {value!r}")
    return dict(value)


def as_list(owner: str, name: str, value: Any) -> list[Any]:
    """A list, a tuple, an array, or a dictionary of positions, which some files make of a list."""
    if isinstance(value, Mapping):
        places = {str(key): each for key, each in value.items()}
        if places.keys() == set(map(str, range(len(places)))):
            return [places[str(i)] for i in range(len(places))]
    if isinstance(value, list | tuple):
        return list(value)
    if getattr(value, "ndim", 0) == 1:
        return list(value.tolist())
    raise TypeError(f"{owner}: {name} must be a list, got {value!r}")


def as_numbers(owner: str, name: str, value: Any) -> list[Any]:
    """A list of numbers; tensors stay what they are."""
    found = as_list(owner, name, value)
    for i, each in enumerate(found):
        if not is_number(each):
            raise TypeError(f"{owner}: {name}[{i}] must be a number, got {each!r}")
    return [copied(each) for each in found]


def as_counts(owner: str, name: str, value: Any) -> dict[int, int]:
    """How often each step is named, by a list of steps or by a dictionary of counts.

    A file that knows only text for keys says "30" for 30. A distributed checkpoint that is loaded
    into a state leaves both there: the text is what the file said.
    """
    where = f"{owner}: {name}"
    if not isinstance(value, Mapping):
        counts: dict[int, int] = {}
        for i, step in enumerate(as_list(owner, name, value)):
            WHOLE.check(f"{where}[{i}]", step)
            counts[int(step)] = counts.get(int(step), 0) + 1
        return counts
    found: dict[int, int] = {}
    for key, count in sorted(value.items(), key=lambda pair: isinstance(pair[0], str)):
        try:
            step = int(key) if isinstance(key, str) else key
        except ValueError:
            step = key
        WHOLE.check(f"{where}: a step", step)
        WHOLE.check(f"{where}[{key!r}]", count)
        found[int(step)] = int(count)
    return found
