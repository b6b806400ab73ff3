"""What the text of an `update` says: of what each name has one, and what is decided when.

A name has one value for the whole step, for all tensors, for a tensor, a row, a column or an
element. What there is one of for the step (settings, the count, kept numbers, and whatever is
computed from them) is known before anything is read: the `if`s on it are decided first, and the
numbers that elements are computed with are worked out once, in double.
"""

from __future__ import annotations

import ast
import enum
import functools
import itertools
from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from thalweg.reading import plain_text
from thalweg.reductions import REDUCTIONS, SCOPES
from thalweg.source import Source, names_in, unknown

__all__ = ["STREAMS", "Level", "Reduction", "Text", "join", "read"]

STREAMS = ("p", "g", "u")


class Level(enum.IntEnum):
    """Of what a name has one value, from the coarsest to the finest."""

    STEP = 0
    ALL = 1
    TENSOR = 2
    ROW = 3
    COLUMN = 4
    ELEMENT = 5


_LEVEL_OF = {"all": Level.ALL, "tensor": Level.TENSOR, "row": Level.ROW, "column": Level.COLUMN}
_LEVEL_OF["element"] = Level.ELEMENT

_SCOPE_OF = {level: word for word, level in _LEVEL_OF.items()}

# what arithmetic may consist of, beside names, constants, calls and `a if c else b`
_OPERATORS = (
    *(ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow),
    *(ast.BitAnd, ast.BitOr),
)


def join(a: Level, b: Level) -> Level:
    """What something computed from both has one of."""
    return Level.ELEMENT if {a, b} == {Level.ROW, Level.COLUMN} else max(a, b)


@dataclass(frozen=True)
class Reduction:
    """One sum, mean, norm or largest value that a text asks for, by a name of its own."""

    name: str
    kind: str
    over: str
    written: str
    """As it stands in the text."""


@dataclass
class Text:
    """One `update`, read. Nodes of the syntax are the keys: each is one place in the text."""

    source: Source
    body: list[ast.stmt]
    before: set[ast.stmt] = field(default_factory=set)
    """The lines that are run before the step, because all in them is known by then."""
    decisions: dict[ast.AST, int] = field(default_factory=dict)
    """The `if`s that are decided before the step, numbered."""
    numbers: dict[ast.expr, str] = field(default_factory=dict)
    """The places where elements meet what is known before the step: the name of the number."""
    lifted: dict[tuple[ast.If, str], list[tuple[str, str]]] = field(default_factory=dict)
    """Names that were numbers before an `if`, or on one side of it, and are more after it: where
    ("before", "body", "orelse"), the name, and the name of the number."""
    reductions: dict[ast.Call, Reduction] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    """The names that are numbers as they stand when all lines before the step have run."""
    levels: dict[str, Level] = field(default_factory=dict)
    """Of what each name has one when the text has been run."""

    @functools.cached_property
    def number_names(self) -> list[str]:
        """Every number that elements are computed with, in the order of the text."""
        lifted = [number for pairs in self.lifted.values() for _, number in pairs]
        return list(dict.fromkeys([*self.numbers.values(), *lifted]))

    @functools.cached_property
    def reduced(self) -> list[Reduction]:
        """What is reduced, in the order of the text."""
        return list(dict.fromkeys(self.reductions.values()))


def read(
    source: Source,
    levels: Mapping[str, Level],
    states: Mapping[str, str],
    tuples: Mapping[str, int],
    advice: Callable[[str], str],
) -> Text:
    """Read an `update`. `levels` are those of the names that it may take, `states` what its states
    have one number per, `tuples` the lengths of the settings that are several numbers; `advice` is
    what to say of an argument that is not known."""
    for name, line in source.arguments.items():
        if name not in levels:
            raise source.error(line, advice(name))
    text = Text(source, plain_text(source))
    reader = _Reader(text, levels, states, tuples)
    reader.block(text.body)
    text.levels = dict(reader.known)
    reader.check_returned()
    text.held = reader.held_names()
    return text


class _Reader:
    """Walks a text in its order, and knows at each line of what every name has one."""

    def __init__(
        self,
        text: Text,
        levels: Mapping[str, Level],
        states: Mapping[str, str],
        tuples: Mapping[str, int],
    ) -> None:
        self.text, self.source = text, text.source
        self.states, self.tuples = states, tuples
        self.known = {name: levels[name] for name in text.source.arguments}
        self.given = {n for n in self.known if n not in states and n not in STREAMS}
        self._under: Level | None = None  # inside an `if` on a number that is measured
        self._perhaps = False  # where not every tensor comes to, in an expression
        self._assigned: dict[str, int] = {}  # how often each name is given a number
        self._versions: dict[str, int] = {}
        self._made: ChainMap[tuple[str, tuple[int, ...]], str] = ChainMap()
        self._partly: set[str] = set()  # those that have a value on one way and not on another
        # names in the text, which what is made here must not meet
        self._taken = {*text.source.arguments, *_assigned_in(text.body)}
        self._numbered: dict[str, Iterator[int]] = {}

    # ---- statements ----

    def block(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, ast.If):
                self._branch(statement)
            else:
                assert isinstance(statement, ast.Assign)
                self._assign(statement)

    def _assign(self, statement: ast.Assign) -> None:
        (target,) = statement.targets
        value, level = statement.value, self.level(statement.value)
        if isinstance(target, ast.Tuple):
            self._check_tuple(statement, target, value, level)
        elif self._length(value) is not None:
            raise self.source.error(value.lineno, self._of_several(value))
        names = [n.id for n in ast.walk(target) if isinstance(n, ast.Name)]
        for name in names:
            if name in self.given:
                raise self.source.error(
                    target.lineno, f"{name!r} is given, and cannot be assigned; use another name"
                )
        if self._under is not None:
            level = join(level, self._under)
        is_number = level == Level.STEP and not any(self._is_array(name) for name in names)
        if is_number:
            self.text.before.add(statement)
        else:
            self._numbers(value)
        for name in names:
            self._partly.discard(name)
            self._give(name, level, value)

    def _give(self, name: str, level: Level, value: ast.expr) -> None:
        per = _LEVEL_OF.get(self.states.get(name, ""), Level.ELEMENT)
        if name in self.states and join(level, per) != per:
            what = _SCOPE_OF[level]
            raise self.source.error(
                value.lineno,
                f"{name!r} is one number per {self.states[name]}, and is given one per {what}; "
                f"take its sum, mean, norm or largest",
            )
        self.known[name] = max(level, per) if self._is_array(name) else level
        self._versions[name] = self._versions.get(name, 0) + 1
        self._assigned[name] = self._assigned.get(name, 0) + 1

    def _is_array(self, name: str) -> bool:
        """Whether a name holds elements, rows or columns, whatever it is given."""
        return (
            name in STREAMS or _LEVEL_OF.get(self.states.get(name, ""), Level.STEP) > Level.TENSOR
        )

    def _check_tuple(
        self, statement: ast.Assign, target: ast.Tuple, value: ast.expr, level: Level
    ) -> None:
        length = self._length(value)
        if length is None or level > Level.STEP:
            raise self.source.error(statement.lineno, "takes apart something that is one value")
        if length != len(target.elts):
            raise self.source.error(
                statement.lineno, f"takes {length} numbers apart into {len(target.elts)} names"
            )

    def _length(self, value: ast.expr) -> int | None:
        """How many numbers an expression is, if it is several."""
        if isinstance(value, ast.Name):
            return self.tuples.get(value.id)
        if isinstance(value, ast.Tuple):
            return len(value.elts)
        if isinstance(value, ast.IfExp):
            return self._length(value.body)
        return None

    def _of_several(self, value: ast.expr) -> str:
        name = ast.unparse(value)
        letters = ", ".join(f"{name[0]}{i + 1}" for i in range(self._length(value) or 0))
        return f"{name!r} is {self._length(value)} numbers; take them apart, `{letters} = {name}`"

    def _branch(self, statement: ast.If) -> None:
        level = self.level(statement.test)
        self._check_test(statement.test, level)
        assigned = {n for n in _assigned_in([statement]) if n in self.known}
        if level > Level.STEP:
            self._numbers(statement.test)
            for name in sorted(n for n in assigned if self.known[n] == Level.STEP):
                self._lift(statement, "before", name)
        outer, before = self._under, dict(self.known)
        if level > Level.STEP:
            self._under = level if outer is None else join(outer, level)
        ways: list[dict[str, Level]] = []
        for side in (statement.body, statement.orelse):
            self.known = dict(before)
            self._made = self._made.new_child()
            self.block(side)
            self._made = self._made.parents
            ways.append(self.known)
        self._under = outer
        one, other = ways
        changed = [name for name in _assigned_in([statement]) if name in one and name in other]
        # where the other side has an array of that name, elements must know which way it went
        is_number = (
            level == Level.STEP
            and all(line in self.text.before for line in [*statement.body, *statement.orelse])
            and all(join(one[name], other[name]) == Level.STEP for name in changed)
        )
        if is_number:
            self.text.before.add(statement)
        elif level == Level.STEP:
            self._decide(statement)
        self._join(statement, level, ways)
        # a line behind it may not take a number that was worked out on one side only
        for name in _assigned_in([statement]):
            self._versions[name] = self._versions.get(name, 0) + 1

    def _join(self, statement: ast.If, level: Level, ways: list[dict[str, Level]]) -> None:
        one, other = ways
        self._partly |= one.keys() ^ other.keys()
        self.known = {n: join(one[n], other[n]) for n in one if n in other}
        for name, joined in self.known.items():
            for way, side in zip(ways, ("body", "orelse"), strict=True):
                if level == Level.STEP and joined > way[name] == Level.STEP:
                    self._lift(statement, side, name)

    def _lift(self, statement: ast.If, where: str, name: str) -> None:
        """A number that goes on as something finer."""
        self.text.lifted.setdefault((statement, where), []).append((name, self._fresh()))
        if where == "before":
            self.known[name] = self._under_of(statement)

    def _under_of(self, statement: ast.If) -> Level:
        return max(self.level(statement.test), Level.ALL)

    def _decide(self, node: ast.AST) -> None:
        self.text.decisions.setdefault(node, len(self.text.decisions))

    def _check_test(self, test: ast.expr, level: Level) -> None:
        if level <= Level.TENSOR:
            return
        raise self.source.error(
            test.lineno,
            f"`if` on {self._culprit(test)}, which differs from element to element; "
            f"use where(condition, a, b)",
        )

    def _culprit(self, test: ast.expr) -> str:
        names = sorted(n for n in names_in(test) if self.known.get(n, Level.STEP) > Level.TENSOR)
        return repr(names[0]) if names else f"`{ast.unparse(test)}`"

    # ---- expressions ----

    def level(self, tree: ast.expr) -> Level:
        """Of what an expression has one value; raises for what no engine could run."""
        if isinstance(tree, ast.Name):
            return self._level_of_name(tree)
        if isinstance(tree, ast.Constant):
            return self._level_of_constant(tree)
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, _OPERATORS):
            return self._joined(tree, [tree.left, tree.right])
        if isinstance(tree, ast.UnaryOp):
            level = self._joined(tree, [tree.operand])
            is_not = isinstance(tree.op, ast.Not)
            return self._no_truth(tree, level, "`not`") if is_not else level
        if isinstance(tree, ast.BoolOp):
            first, *others = tree.values
            level = join(self._joined(tree, [first]), self._if_reached(others))
            return self._no_truth(tree, level, "`and`/`or`")
        if isinstance(tree, ast.Compare):
            level = self._joined(tree, [tree.left, *tree.comparators])
            return self._no_truth(tree, level, "`a < b < c`") if len(tree.ops) > 1 else level
        if isinstance(tree, ast.IfExp):
            test = self.level(tree.test)
            self._check_test(tree.test, test)
            sides = [tree.body, tree.orelse]
            if test == Level.STEP:  # decided, and the same in every engine
                return functools.reduce(join, map(self.level, sides))
            return functools.reduce(join, [test, *(self._if_reached([s]) for s in sides)])
        if isinstance(tree, ast.Call):
            return self._level_of_call(tree)
        if isinstance(tree, ast.Tuple):
            return functools.reduce(join, map(self.level, tree.elts), Level.STEP)
        if isinstance(tree, ast.Subscript) and self._is_one_of_several(tree):
            return Level.STEP
        said = "@" if isinstance(tree, ast.BinOp) else type(tree).__name__
        raise self.source.error(tree.lineno, f"{said} is not arithmetic on elements")

    def _level_of_name(self, tree: ast.Name) -> Level:
        name = tree.id
        if name in self.known:
            return self.known[name]
        if name in self._partly:
            raise self.source.error(
                tree.lineno, f"{name!r} has a value on one way through an `if` and none on another"
            )
        raise self.source.error(tree.lineno, f"{name!r} has no value yet where it is read")

    def _level_of_constant(self, tree: ast.Constant) -> Level:
        if not isinstance(tree.value, bool | int | float | str):
            raise self.source.error(tree.lineno, f"{tree.value!r} is no number")
        return Level.STEP

    def _is_one_of_several(self, tree: ast.Subscript) -> bool:
        named = isinstance(tree.value, ast.Name) and tree.value.id in self.tuples
        return named and isinstance(tree.slice, ast.Constant) and tree.value.id in self.known  # type: ignore[attr-defined]

    def _joined(self, tree: ast.expr, parts: Sequence[ast.expr]) -> Level:
        for part in parts:
            if self._length(part) is not None:
                raise self.source.error(part.lineno, self._of_several(part))
        return functools.reduce(join, map(self.level, parts))

    def _if_reached(self, parts: Sequence[ast.expr]) -> Level:
        """What something has one of that is worked out on one way through an expression."""
        outer, self._perhaps = self._perhaps, True
        level = functools.reduce(join, map(self.level, parts))
        self._perhaps = outer
        return level

    def _no_truth(self, tree: ast.expr, level: Level, what: str) -> Level:
        """Refuse what asks elements for one truth value, which an array does not have."""
        if level > Level.TENSOR:
            raise self.source.error(tree.lineno, f"{what} on elements; use where(condition, a, b)")
        return level

    def _level_of_call(self, tree: ast.Call) -> Level:
        word = ast.unparse(tree.func)
        if word not in REDUCTIONS:
            return self._joined(tree, tree.args)
        over, value = self._over(tree, word), self.level(tree.args[0])
        level = _LEVEL_OF[over]
        if value <= level or (value, level) == (Level.COLUMN, Level.ROW):
            what = ast.unparse(tree.args[0])
            each = "the step" if value == Level.STEP else f"each {_SCOPE_OF[value]}"
            raise self.source.error(
                tree.lineno,
                f"{word} over {over!r} of {what!r}, which is one number for {each} already",
            )
        if value == Level.ROW and word in ("sum", "norm"):  # of rows, or of as many elements
            raise self.source.error(
                tree.lineno,
                f"{word} over {over!r} of {ast.unparse(tree.args[0])!r}, which is one number for "
                f"each row; take its mean or largest",
            )
        if self._under is not None:
            raise self.source.error(
                tree.lineno, f"{word} under an `if` on a number that is measured; take it before"
            )
        if self._perhaps and level == Level.ALL:
            raise self.source.error(
                tree.lineno, f'{word} over "all" where not every tensor comes to it; take it before'
            )
        if tree not in self.text.reductions:
            one = Reduction(self._new(word), word, over, ast.unparse(tree))
            self.text.reductions[tree] = one
        return level

    def _over(self, tree: ast.Call, word: str) -> str:
        if len(tree.args) == 1:
            return "tensor"
        over = tree.args[1].value if isinstance(tree.args[1], ast.Constant) else None
        if not isinstance(over, str):
            raise self.source.error(
                tree.lineno, f"{word} must say over what by a word, one of {', '.join(SCOPES)}"
            )
        if over not in SCOPES:
            raise self.source.error(tree.lineno, f"{word}: {unknown(over, SCOPES)}")
        return over

    # ---- what elements meet of what is known before ----

    def _numbers(self, tree: ast.expr) -> None:
        """Give a name to every number that an expression on elements takes."""
        if isinstance(tree, ast.Constant):
            return
        if self.level(tree) == Level.STEP and not _is_test(tree):
            self.text.numbers[tree] = self._number_named(tree)
            return
        if isinstance(tree, ast.IfExp) and self.level(tree.test) == Level.STEP:
            self._decide(tree)
            for side in (tree.body, tree.orelse):
                self._made = self._made.new_child()
                self._numbers(side)
                self._made = self._made.parents
            return
        for part in ast.iter_child_nodes(tree):
            is_function = isinstance(tree, ast.Call) and part is tree.func
            if isinstance(part, ast.expr) and not is_function:
                self._numbers(part)

    def _number_named(self, tree: ast.expr) -> str:
        if isinstance(tree, ast.Name):
            return self._held_or_fresh(tree)
        names = sorted(names_in(tree))
        key = ast.unparse(tree), tuple(self._versions.get(name, 0) for name in names)
        if key not in self._made:
            self._made[key] = self._fresh()
        return self._made[key]

    def _held_or_fresh(self, tree: ast.Name) -> str:
        """A number with a name keeps it, if it is never given another value."""
        if _times_assigned(self.text.body, tree.id) <= (tree.id not in self.source.arguments):
            return tree.id
        key = tree.id, (self._versions.get(tree.id, 0),)
        if key not in self._made:
            self._made[key] = self._fresh()
        return self._made[key]

    def _fresh(self) -> str:
        return self._new("n") + "_"

    def _new(self, word: str) -> str:
        """A word with a number, with which no name of the text begins."""
        count = self._numbered.setdefault(word, itertools.count(1))
        made = (f"{word}{n}" for n in count)
        return next(m for m in made if not any(name.startswith(m) for name in self._taken))

    def held_names(self) -> set[str]:
        """The numbers that have the name of what they are."""
        return {
            tree.id
            for tree, number in self.text.numbers.items()
            if isinstance(tree, ast.Name) and tree.id == number
        }

    # ---- what is returned ----

    def check_returned(self) -> None:
        """Refuse what is returned and cannot be, and states and streams that are lost."""
        source, line = self.source, self.source.return_line
        returned = source.returned
        for name in returned:
            if name not in self.states and name not in STREAMS:
                lost = sorted(n for n in self.states if n not in returned and n in self.known)
                close = [n for n in lost if name.startswith(n) or n.startswith(name)]
                if close:
                    raise source.error(
                        line, f"{close[0]!r} is never returned, did you mean it by {name!r}?"
                    )
                raise source.error(line, f"returns {name!r}, which is neither a stream nor a state")
            if name not in self.known:
                known = "has a value on one way through an `if` and none on another"
                said = known if name in self._partly else "gets no value"
                raise source.error(line, f"returns {name!r}, which {said}")
        for name in sorted(self._assigned.keys() & self.states.keys()):
            if name not in returned:
                raise source.error(line, f"{name!r} is never returned")


def _is_test(tree: ast.expr) -> bool:
    is_not = isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not)
    return is_not or isinstance(tree, ast.Compare | ast.BoolOp)


def _assigned_in(body: Sequence[ast.stmt]) -> list[str]:
    return [
        node.id
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def _times_assigned(body: Collection[ast.stmt], name: str) -> int:
    """How often a name is given a value; under an `if` it counts as often, since it may not be."""
    plain = _assigned_in([s for s in body if not isinstance(s, ast.If)]).count(name)
    under = _assigned_in([s for s in body if isinstance(s, ast.If)]).count(name)
    return plain + 2 * under
