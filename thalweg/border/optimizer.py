"""What an optimizer made from a chain does with the settings of its groups, at every border."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from thalweg.averaging import Average, check_average, plain, with_average
from thalweg.border.blocks import check_blocks
from thalweg.border.copies import AveragedWeights
from thalweg.border.evaluation import Evaluated
from thalweg.border.groups import DecayFilters, check_filter
from thalweg.border.others import named_lr, with_others
from thalweg.chain import Chain, Slot
from thalweg.either import OTHERS, other
from thalweg.rule import Rule

__all__ = ["ChainOptimizer"]


_MOST_SOUND = 64  # settings that a chain's optimizers are remembered to have been given
_PLAIN = {bool, int, float, str, type(None)}


def _told_apart(settings: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Settings as they can be looked up, 1 and True apart; None where one is no plain value."""
    found = []
    for name, value in settings.items():
        kind: Any = type(value)
        if kind is tuple:
            kind = tuple(map(type, value))
            if not _PLAIN.issuperset(kind):
                return None
        elif kind not in _PLAIN:
            if name == "params":
                continue
            return None
        found.append((name, kind, value))
    return tuple(found)


class ChainOptimizer(AveragedWeights, Evaluated, DecayFilters):
    """An optimizer of a chain, and of the average of the weights behind it, if it keeps one.

    `arguments` are what the border's constructors take beside a chain's settings, with their
    defaults, and `argument_types` what they may be. Every group holds them.
    """

    chain: ClassVar[Chain]
    arguments: ClassVar[Mapping[str, Any]]
    argument_types: ClassVar[Mapping[str, Any]]
    knows_blocks: ClassVar[bool] = False
    """Whether a step takes matrices in blocks."""
    _others: Any  # of an optimizer that was made with others=: what it was given

    def _check_own(self, chain: Chain, settings: Mapping[str, Any]) -> None:
        """Raise for what only this border takes, or takes otherwise."""

    def _begin_state(
        self, p: Any, slots: Sequence[Slot], views: Sequence[Any], group: Mapping[str, Any]
    ) -> None:
        """Make a parameter's cells and these of its arrays, before any step."""
        raise NotImplementedError

    def _settled(self, settings: dict[str, Any]) -> dict[str, Any]:
        """What the constructor was given, checked, as the groups will hold it; from here on the
        optimizer has its chain."""
        if not hasattr(self, "chain"):
            base = next(cls for cls in type(self).__mro__ if "arguments" in vars(cls)).__name__
            raise TypeError(f"{base} is what optimizer(rule) builds upon; call that instead")
        check_average(self.chain.name, settings["average"])
        settings = {**settings, **plain(settings["average"])}
        self._chain = with_average(self.chain, settings)
        self._check(settings)
        return settings

    def _start(self) -> None:
        """Make the states of every parameter, for rules that have them from the beginning."""
        if not self._chain.starts_at_construction:
            return
        for group in self.param_groups:
            for p in group["params"]:
                if self._chain.choice.blocks(p.shape, group) is not None:
                    continue  # its blocks get theirs at the first step
                chooses = self._chain.choice.numbers
                which = (chooses and chooses(p.shape, group)) or 0
                under = bool(group.get("differentiable"))  # autograd asks what a number started as
                views = self._chain.views(group, as_tensors=under, which=which)
                slots = self._chain.live_slots(views)
                of_rules = [slot for slot in slots if issubclass(slot.part.declared, Rule)]
                self._begin_state(p, of_rules, views, group)

    def _new_group(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """A group that joins, its settings and its average under the names that they have here."""
        group = self._renamed(self._with_average(given))
        named_lr(self._chain, group, self.defaults)
        return group

    def _take_others(self, given: Any) -> None:
        """Have a chain of one's own, with another rule for what the class's own does not take."""
        self._others = given
        vars(self)["chain"] = with_others(type(self).chain, given)

    def _renamed(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings under their own names where another was used."""
        return {self._chain.aliases.get(key, key): value for key, value in settings.items()}

    def _check(self, settings: Mapping[str, Any]) -> None:
        """Raise ValueError or TypeError for the settings of a group that are not acceptable."""
        self._check_once(self._chain, settings, self._chain.check)

    def _check_loaded(self, settings: Mapping[str, Any]) -> None:
        """What a program did to the settings of a group that steps, a file may hold, too: they are
        asked one by one, not whether they go together."""
        check_average(self._chain.name, settings.get("average"))
        chain = with_average(self.chain, settings)
        self._check_once(chain, settings, chain.check_ranges)

    def _check_once(
        self, chain: Chain, settings: Mapping[str, Any], check: Callable[[Mapping[str, Any]], None]
    ) -> None:
        """Check settings, unless a class's optimizers were given just these before."""
        told, sound = _told_apart(settings), chain.found_sound
        mark = type(self), check.__name__, told
        if told is not None and mark in sound:
            return
        self._check_arguments(chain, settings)
        check(settings)
        if told is not None:
            if len(sound) >= _MOST_SOUND:
                sound.clear()
            sound.add(mark)

    def _check_arguments(self, chain: Chain, settings: Mapping[str, Any]) -> None:
        name = chain.name
        self._check_own(chain, settings)
        check_blocks(chain, settings)
        if settings.get("decay_filter") is not None and not chain.spares:
            raise TypeError(f"{name}: decay_filter needs a weight decay, and {name} has none")
        check_filter(name, settings.get("decay_filter"))

    def _with_average(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """A new group with its average as keys; one that is named already has its keys there."""
        average = group.get("average")
        check_average(self._chain.name, average)
        made = {**group, **(plain(average) if isinstance(average, Average) else {})}
        kinds = [each["average"] for each in [*self.param_groups, self.defaults]]
        self._check_same_average(self._chain.name, [*kinds, made.get("average", kinds[-1])])
        return made

    @staticmethod
    def _check_same_average(title: str, kinds: Iterable[str | None]) -> None:
        """The average is a part of the one chain that steps all groups."""
        if len(set(kinds)) > 1:
            raise ValueError(
                f"{title}: all groups must keep the same kind of average, "
                f"got {', '.join(sorted(map(repr, set(kinds))))}"
            )

    def _complete(self, group: dict[str, Any]) -> None:
        """Fill in what a group loaded from a file lacks."""
        for alias, name in self._chain.aliases.items():
            if alias in group:
                group[name] = group.pop(alias)
        for name, value in {**self._chain.defaults, **self.arguments}.items():
            group.setdefault(name, value)
        group.update(self._chain.fixed)
        self._tidy(group)

    @property
    def _said(self) -> dict[str, Any]:
        """What it was given as others, for copies; nothing, where it was not."""
        return {key: value for key, value in vars(self).items() if key == "_others"}

    def _again(self) -> None:
        """Have the others that it was made with: a copy, or an optimizer from a file."""
        if "_others" in vars(self):
            self._take_others(self._others)

    def _tidy(self, group: dict[str, Any]) -> None:
        """Take out of a group what nobody reads there: it is of the others, or has none."""
        if group.get(OTHERS) or "_others" in vars(self):
            group.pop(other("lr", 1), None)
