"""What kind of value an expression of an `update` is: a number, several of them, a truth, a
condition, a text.

A truth is known beforehand, and counts as 0 or 1 wherever a number stands. A condition is what a
comparison gives: of arrays no arithmetic on it is everywhere the same. A text may be compared with
another, and that is all; several numbers may be taken apart.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from thalweg.reductions import REDUCTIONS
from thalweg.shapes import as_written
from thalweg.source import Source, unknown

__all__ = ["CONDITION", "MIXED", "TEXT", "Kinds"]

NUMBER, TRUTH, CONDITION, TEXT = "a number", "a truth", "a condition", "text"
_LOGIC = (TRUTH, CONDITION)
MIXED = (
    "is a condition on one way and a number on the other; where(condition, 1.0, 0.0) is a number"
)


class Kinds:
    """Knows the kind of every name, and refuses what does not go together; `settings` are the
    defaults, `choices` what the ones that are text may be, `others` what else is no setting of
    another part."""

    def __init__(
        self,
        source: Source,
        settings: Mapping[str, Any],
        choices: Mapping[str, Sequence[str]],
        others: Collection[str],
    ) -> None:
        self.source, self.choices, self.declared = source, choices, {*settings, *others}
        taken = {n: value for n, value in settings.items() if n in source.arguments}
        self.several = {n: len(one) for n, one in taken.items() if isinstance(one, tuple)}
        self.texts = {n for n, one in taken.items() if isinstance(one, str)}
        self.borrowed = {
            name: _taken_apart(source.body, name)
            for name in source.arguments
            if name not in self.declared
        }
        self.several |= {n: length for n, length in self.borrowed.items() if length is not None}
        truths = {n for n, one in taken.items() if isinstance(one, bool)} | {"first"}
        self.logic = dict.fromkeys(truths, TRUTH)  # the kinds of names that are no numbers

    def length(self, tree: ast.expr) -> int | None:
        """How many numbers an expression is, if it is several."""
        if isinstance(tree, ast.Name):
            return self.several.get(tree.id)
        if isinstance(tree, ast.Tuple):
            return len(tree.elts)
        if isinstance(tree, ast.IfExp):
            one, other = self.length(tree.body), self.length(tree.orelse)
            if one != other:
                raise self.source.error(
                    tree.lineno, f"is {_count(one)} on one way and {_count(other)} on the other"
                )
            return one
        return None

    def give(self, name: str, value: ast.expr) -> None:
        """A name gets a value of its own."""
        kind = self.of(value)
        self.logic.pop(name, None)
        if kind in _LOGIC:
            self.logic[name] = kind

    def join(self, one: Mapping[str, str], other: Mapping[str, str]) -> None:
        """Two ways through an `if` meet, on which names had these kinds."""
        self.logic = {n: kind for n, kind in one.items() if other.get(n) == kind}
        both = [n for n, kind in one.items() if {kind, other.get(n)} == {*_LOGIC}]
        self.logic |= dict.fromkeys(both, CONDITION)

    def check(self, tree: ast.expr) -> None:
        """Raise for an expression that is text, or several numbers, where one is asked for."""
        self.check_one(tree)
        if self.of(tree) == TEXT:
            name = ast.unparse(tree)
            raise self.source.error(
                tree.lineno, f"`{name}` is text, which may be compared by == or !=, and no more"
            )

    def check_one(self, tree: ast.expr) -> None:
        """Raise for several numbers where one value is asked for."""
        length = self.length(tree)
        if length is None:
            return
        name = ast.unparse(tree)
        said = f"`{name}` is {length} values; give each a name on a line of its own"
        if isinstance(tree, ast.Name):
            letters = ", ".join(f"{name[0]}{i + 1}" for i in range(length))
            said = f"{name!r} is {length} numbers; take them apart, `{letters} = {name}`"
        raise self.source.error(tree.lineno, said)

    def of(self, tree: ast.expr) -> str:
        """The kind of an expression; its parts have been looked at."""
        if isinstance(tree, ast.Name):
            return TEXT if tree.id in self.texts else self.logic.get(tree.id, NUMBER)
        if isinstance(tree, ast.Constant):
            is_text, is_truth = isinstance(tree.value, str), isinstance(tree.value, bool)
            return TEXT if is_text else TRUTH if is_truth else NUMBER
        if isinstance(tree, ast.Compare):
            return CONDITION
        if isinstance(tree, ast.BoolOp):  # `a and b` is one of its parts
            return TRUTH if {*map(self.of, tree.values)} == {TRUTH} else CONDITION
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not | ast.Invert):
            return TRUTH if self.of(tree.operand) == TRUTH else CONDITION
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.BitAnd | ast.BitOr):
            return TRUTH if {self.of(tree.left), self.of(tree.right)} == {TRUTH} else CONDITION
        if isinstance(tree, ast.IfExp):
            return self._of_choice(tree)
        return NUMBER

    def _of_choice(self, tree: ast.IfExp) -> str:
        kinds = {self.of(tree.body), self.of(tree.orelse)}
        if len(kinds) == 1:
            return kinds.pop()
        return TEXT if TEXT in kinds else CONDITION if CONDITION in kinds else NUMBER

    def parts(self, tree: ast.expr) -> None:
        """Look at the parts of one expression: whether each is of a kind that may stand there."""
        if isinstance(tree, ast.Compare):
            self._compared(tree)
        elif isinstance(tree, ast.BinOp):
            is_of_truths = isinstance(tree.op, ast.BitAnd | ast.BitOr)
            for part in (tree.left, tree.right):
                self._truth(part, tree) if is_of_truths else self._number(part, tree)
        elif isinstance(tree, ast.UnaryOp):
            if isinstance(tree.op, ast.Invert):
                self._truth(tree.operand, tree)
            elif isinstance(tree.op, ast.Not):
                self.check(tree.operand)
            else:
                self._number(tree.operand, tree)
        elif isinstance(tree, ast.BoolOp):
            for part in tree.values:
                self.check(part)
        elif isinstance(tree, ast.IfExp):
            self.check(tree.test)
            if {self.of(tree.body), self.of(tree.orelse)} >= {CONDITION, NUMBER}:
                raise self.source.error(tree.lineno, f"`{as_written(tree)}` {MIXED}")
        elif isinstance(tree, ast.Call):
            self._told(tree)

    def _told(self, tree: ast.Call) -> None:
        """Look at what a word is told."""
        word = ast.unparse(tree.func)
        is_said = word in (*REDUCTIONS, "gradient")  # over what, of which loss
        for i, part in enumerate(tree.args[: 1 if is_said else None]):
            if (word, i) == ("where", 0):
                self._asked(part)
            elif (word, i) != ("newton_schulz", 1):  # its coefficients are several
                self._number(part, tree)

    def _asked(self, part: ast.expr) -> None:
        """Refuse what `where` cannot ask."""
        self.check(part)
        if self.of(part) not in _LOGIC:
            raise self.source.error(
                part.lineno,
                f"where asks for a condition, and `{as_written(part)}` is none; compare it with "
                "something",
            )

    def _number(self, part: ast.expr, whole: ast.expr) -> None:
        """Refuse arithmetic on a condition: NumPy adds two of them up to a condition."""
        self.check(part)
        if self.of(part) == CONDITION:
            written = as_written(part)
            raise self.source.error(
                whole.lineno,
                f"`{as_written(whole)}` computes with `{written}`, which is a condition and no "
                f"number; write where({written}, 1.0, 0.0)",
            )

    def _truth(self, part: ast.expr, whole: ast.expr) -> None:
        self.check(part)
        if self.of(part) not in _LOGIC:
            raise self.source.error(
                whole.lineno,
                f"`{ast.unparse(whole)}` is for conditions, and {ast.unparse(part)} is none; "
                f"compare it with something",
            )

    def check_difference(self, tree: ast.BinOp) -> None:
        """Refuse the difference of elements and a truth, which torch does not know."""
        for part in (tree.left, tree.right):
            if isinstance(tree.op, ast.Sub) and self.of(part) == TRUTH:
                written = as_written(part)
                raise self.source.error(
                    tree.lineno,
                    f"`{as_written(tree)}` subtracts a truth; write where({written}, 1.0, 0.0)",
                )

    def _compared(self, tree: ast.Compare) -> None:
        sides = [tree.left, *tree.comparators]
        for side in sides:
            self.check_one(side)
        kinds = [self.of(side) for side in sides]
        is_equal = all(isinstance(op, ast.Eq | ast.NotEq) for op in tree.ops)
        if CONDITION in kinds and not ({*kinds} <= {*_LOGIC} and is_equal):
            raise self.source.error(
                tree.lineno,
                f"`{ast.unparse(tree)}`: a condition is compared with another, by == or !=",
            )
        if TEXT not in kinds:
            return
        if set(kinds) != {TEXT} or not is_equal:
            raise self.source.error(
                tree.lineno, f"`{ast.unparse(tree)}`: text is compared with text, by == or !="
            )
        for one, other in itertools.pairwise(sides):
            for name, said in ((one, other), (other, one)):
                if isinstance(name, ast.Name) and isinstance(said, ast.Constant):
                    self._choice(name.id, str(said.value), tree.lineno)

    def _choice(self, name: str, said: str, line: int) -> None:
        if said not in self.choices[name]:
            raise self.source.error(line, f"{name}: {unknown(said, self.choices[name])}")

    def index(self, tree: ast.Subscript) -> None:
        """Refuse `a[i]` for what is no setting of several numbers, or has no such number."""
        written = ast.unparse(tree)
        name = tree.value.id if isinstance(tree.value, ast.Name) else ""
        if name not in self.several:
            raise self.source.error(
                tree.lineno, f"`{written}` takes a part of something that is one value"
            )
        at, length = tree.slice, self.several[name]
        if isinstance(at, ast.Constant) and type(at.value) is int and 0 <= at.value < length:
            return
        letters = ", ".join(f"{name[0]}{i + 1}" for i in range(length))
        raise self.source.error(
            tree.lineno,
            f"`{written}`: {name} has the numbers 0 to {length - 1}, by a number written here; "
            f"or take them apart, `{letters} = {name}`",
        )


def _taken_apart(body: Sequence[ast.stmt], name: str) -> int | None:
    """Into how many names a text takes a setting apart, of which it knows no more."""
    nodes = [node for statement in body for node in ast.walk(statement)]
    for one in nodes:
        if isinstance(one, ast.Assign) and isinstance(one.value, ast.Name):
            target = one.targets[0]
            if one.value.id == name and isinstance(target, ast.Tuple):
                return len(target.elts)
    return None


def _count(length: int | None) -> str:
    return "one value" if length is None else f"{length} values"
