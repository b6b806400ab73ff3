"""What stands before and behind the lines of a step: settings, the count, the states; and names."""

from __future__ import annotations

import ast
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from thalweg.chain import Chain, Part, Slot
from thalweg.declaration import State
from thalweg.fuse.js.needed import needed
from thalweg.fuse.js.script import Script
from thalweg.parts import sees_stack
from thalweg.source import names_in

__all__ = ["Heading"]

_WIDEST = 96  # characters in a line

_TAKEN = {
    *("S", "h", "p", "g", "g_i", "t", "u", "shape", "n", "i", "row", "ndim", "rows", "columns"),
    *("column", "width", "height", "begin", "added", "deep"),
    *("step", "lerp", "modulo", "quotient", "Math", "Float64Array", "Infinity", "NaN", "undefined"),
    *("arguments", "await", "break", "case", "catch", "class", "const", "continue", "debugger"),
    *("default", "delete", "do", "else", "enum", "eval", "export", "extends", "false", "finally"),
    *("for", "function", "if", "implements", "import", "in", "instanceof", "interface", "let"),
    *("new", "null", "package", "private", "protected", "public", "return", "static", "super"),
    *("switch", "this", "throw", "true", "try", "typeof", "var", "void", "while", "with", "yield"),
}

_OF_SHAPE = {
    "ndim": "ndim = shape.length",
    "rows": "rows = shape.length ? shape[0] : 1",
    "columns": "columns = shape.slice(1).reduce((a, b) => a * b, 1)",
}


_OF_STACK = """\
width = shape.length > 1 ? shape.at(-1) : 1, rows = n / width
height = shape.length > 1 ? shape.at(-2) : n, columns = n / height"""
_COUNTS = {"element": "n", "row": "rows", "column": "columns"}


class Heading:
    """What of a step is known by the declarations. `given` are the names that have a value before
    the first line, `truths` those of them that are true or false."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.names: dict[str, str] = {}
        self.settings = {
            f"h.{part.public(name)}": part.public(name)
            for part in chain.parts
            for name in part.declared.text.source.arguments
            if name in {*part.declared.declaration.settings, *part.declared.declaration.needs}
        } | {f"h.{name}": name for name in self._starts()}
        self.cells = {
            part.qualified(name): (part.key(name, one.key), one)
            for part in chain.parts
            for name, one in part.declared.declaration.cells.items()
        }
        self.firsts = {
            f"{part.prefix}__first"
            for part in chain.parts
            if "first" in part.declared.text.source.arguments
        }
        of_switches = {f"h.{n}" for n, s in chain.settings.items() if isinstance(s.default, bool)}
        self.truths = {*self.firsts, *of_switches}
        states = {*self.cells, *(slot.qualified for slot in chain.slots)}
        self.is_stack = sees_stack(chain.parts)
        self.sides = ("height", "width") if self.is_stack else ("rows", "columns")
        of_tensor = {"p", "g", "n", "t", *_OF_SHAPE}
        self.given = {*of_tensor, *self.settings, *self.firsts, *states}

    def _starts(self) -> list[str]:
        """The settings that states start as."""
        states = [
            (part, one)
            for part in self.chain.parts
            for one in part.declared.declaration.states.values()
        ]
        return [part.public(s.start) for part, s in states if _is_setting(s)]

    def named(self, others: Iterable[str]) -> Mapping[str, str]:
        """A name in JavaScript for every one in the chain: its own letter, where no other part has
        the same."""
        taken = set(_TAKEN)
        self.names = {name: name for name in ("p", "g", "u")}
        for name, public in self.settings.items():
            self.names[name] = _free([public, f"{public}_"], taken)
        own = [name for name in dict.fromkeys([*self.given, *others]) if "__" in name]
        parts = [part.prefix for part in self.chain.parts]
        own.sort(key=lambda name: parts.index(name.partition("__")[0]))
        count = Counter(name.partition("__")[2] for name in own)
        for name in own:
            prefix, _, letter = name.partition("__")
            wanted = [letter] if count[letter] < 2 else []
            self.names[name] = _free([*wanted, f"{letter}_{prefix}"], taken)
        return self.names

    # ---- lines ----

    def lines(self, script: Script) -> tuple[list[str], list[str]]:
        """What stands before the lines of a step, and what behind them."""
        states = [line for part in self.chain.parts for line in self._of_part(part, script)]
        before = self._of_tensor(script) + self._of_settings(script) + states
        if script.copies_gradient:
            before.append("g = Float64Array.from(g);  // the one that was given stays as it is")
        behind = [
            f"{_kept(key)} = {self.names[name]};"
            for name, (key, _) in self.cells.items()
            if script.stored(name)
        ]
        return before, behind

    def _of_tensor(self, script: Script) -> list[str]:
        known = ["n = p.length"]
        count = "S.step = (S.step ?? 0) + 1"
        if script.asks("t"):
            known.append(f"t = {count}")
        lines = [f"const {', '.join(known)};"]
        if "step" in self.chain.cells and not script.asks("t"):
            lines.append(f"{count};")
        for name, line in _OF_SHAPE.items():
            of_rows = name != "ndim"
            if script.asks(name) or (script.counts_rows and of_rows):
                lines += [] if of_rows and self.is_stack else [f"const {line};"]
        if self.is_stack and script.counts_rows:
            lines += [f"const {line};" for line in _OF_STACK.splitlines()]
        return lines

    def _of_settings(self, script: Script) -> list[str]:
        asked = {name for name in self.settings if script.asks(name)}
        asked |= {f"h.{name}" for name in self._starts()}
        for slot in self.chain.slots:
            condition = self._condition(slot)
            asked |= names_in(condition) if condition is not None else set()
        found, fixed = [], []
        for name, public in self.settings.items():
            if name not in asked:
                continue
            written = self.names[name]
            if public in self.chain.fixed:
                value = _spelled(self.chain.fixed[public], script)
                fixed.append(f"const {written} = {value};  // in every {self.chain.name}")
                continue
            if public in self.chain.by_type:
                fixed.append(f"const {written} = {written}_.map((x) => x ?? 2 ** -52);")
                written += "_"
            as_given = public if written == public else f"{public}: {written}"
            found.append(f"{as_given} = {_spelled(self.chain.settings[public].default, script)}")
        line = f"const {{{', '.join(found)}}} = h;"
        if len(line) > _WIDEST:
            return ["const {", *(f"  {one}," for one in found), "} = h;", *fixed]
        return [line, *fixed] if found else fixed

    def _of_part(self, part: Part, script: Script) -> list[str]:
        """The states of a part, and before they are there, whether they are new."""
        slots = [slot for slot in self.chain.slots if slot.part is part]
        lines = []
        first = f"{part.prefix}__first"
        if script.asks(first):
            each = [self._is_missing(slot, script) for slot in slots]
            missing = f"({') || ('.join(each)})" if each[1:] else each[0]
            lines.append(f"const {self.names[first]} = {missing};")
        for slot in slots:
            if script.asks(slot.qualified):
                lines.append(f"const {self.names[slot.qualified]} = {self._array(slot, script)};")
        for name in part.declared.declaration.cells:
            qualified = part.qualified(name)
            key, one = self.cells[qualified]
            word = "let" if script.stored(qualified) else "const"
            start = self._start(part, one, script)
            lines.append(f"{word} {self.names[qualified]} = {_kept(key)} ??= {start};")
        return lines

    def _start(self, part: Part, one: State, script: Script) -> str:
        if _is_setting(one):
            return self.names[f"h.{part.public(one.start)}"]
        return _spelled(one.start, script)

    def _array(self, slot: Slot, script: Script) -> str:
        start = "0" if slot.state.start == "p" else self._start(slot.part, slot.state, script)
        fill = f".fill({start})" if start != "0" else ""
        made = (
            "Float64Array.from(p)"
            if slot.state.start == "p"
            else f"new Float64Array({_COUNTS[str(slot.state.per)]}){fill}"
        )
        whole, condition = f"{_kept(slot.key)} ??= {made}", self._condition(slot)
        if condition is None:
            return whole
        return f"{script.writer.truth(condition, 4)} ? ({whole}) : null"

    def _is_missing(self, slot: Slot, script: Script) -> str:
        missing, condition = f"{_kept(slot.key)} === undefined", self._condition(slot)
        return f"{script.writer.truth(condition, 6)} && {missing}" if condition else missing

    def _condition(self, slot: Slot) -> ast.expr | None:
        """On what settings a state depends."""
        if slot.is_certain:
            return None
        part, declared = slot.part, slot.part.declared.declaration
        known: dict[str, ast.expr] = {
            name: ast.Name(f"h.{part.public(name)}")
            for name in [*declared.settings, *declared.needs]
        }
        taken = part.declared.text.source.arguments
        known |= {name: ast.Name(name) for name in _OF_SHAPE if name in taken}
        return needed(part.declared.text, slot.name, known)


def _is_setting(one: State) -> bool:
    return isinstance(one.start, str) and one.start != "p"


def _free(wanted: list[str], taken: set[str]) -> str:
    last = wanted[-1]
    more = (f"{last}{number}" for number in itertools.count(2))
    name = next(one for one in itertools.chain(wanted, more) if one not in taken)
    taken.add(name)
    return name


def _kept(key: str) -> str:
    """Where a state is kept."""
    return f"S.{key}" if re.fullmatch(r"[A-Za-z_]\w*", key) else f"S[{key!r}]"


def _spelled(value: Any, script: Script) -> str:
    """A setting as JavaScript writes it."""
    if value is None:
        return "null"
    if isinstance(value, tuple):
        return f"[{', '.join(_spelled(one, script) for one in value)}]"
    return script.writer.value(ast.Constant(value))
