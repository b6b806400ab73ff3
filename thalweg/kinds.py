"""What kind of value an expression of an `update` is: a number, several of them, a truth, a text.

A truth counts as 0 or 1 wherever a number stands. A text may be compared with another, and that is
all; several numbers may be taken apart.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from thalweg.reductions import REDUCTIONS
from thalweg.source import Source, unknown

__all__ = ["TEXT", "Kinds"]

NUMBER, TRUTH, TEXT = "a number", "a truth", "text"


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
        self.truths = {n for n, one in taken.items() if isinstance(one, bool)} | {"first"}

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
        (self.truths.add if self.of(value) == TRUTH else self.truths.discard)(name)

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
            return TEXT if tree.id in self.texts else TRUTH if tree.id in self.truths else NUMBER
        if isinstance(tree, ast.Constant):
            is_text, is_truth = isinstance(tree.value, str), isinstance(tree.value, bool)
            return TEXT if is_text else TRUTH if is_truth else NUMBER
        if isinstance(tree, ast.Compare | ast.BoolOp):
            return TRUTH
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not | ast.Invert):
            return TRUTH
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.BitAnd | ast.BitOr):
            return TRUTH
        if isinstance(tree, ast.IfExp):
            kinds = {self.of(tree.body), self.of(tree.orelse)}
            return kinds.pop() if len(kinds) == 1 else TEXT if TEXT in kinds else NUMBER
        return NUMBER

    def parts(self, tree: ast.expr) -> None:
        """Look at the parts of one expression: whether each is of a kind that may stand there."""
        if isinstance(tree, ast.Compare):
            self._compared(tree)
        elif isinstance(tree, ast.BinOp):
            is_of_truths = isinstance(tree.op, ast.BitAnd | ast.BitOr)
            for part in (tree.left, tree.right):
                self._truth(part, tree) if is_of_truths else self.check(part)
        elif isinstance(tree, ast.UnaryOp):
            is_of_truth = isinstance(tree.op, ast.Invert)
            self._truth(tree.operand, tree) if is_of_truth else self.check(tree.operand)
        elif isinstance(tree, ast.BoolOp):
            for part in tree.values:
                self.check(part)
        elif isinstance(tree, ast.IfExp):
            self.check(tree.test)
        elif isinstance(tree, ast.Call):
            word = tree.func.id if isinstance(tree.func, ast.Name) else ""
            is_said = word in (*REDUCTIONS, "gradient")  # over what, of which loss
            for i, part in enumerate(tree.args[: 1 if is_said else None]):
                if (word, i) != ("newton_schulz", 1):  # its coefficients are several
                    self.check(part)

    def _truth(self, part: ast.expr, whole: ast.expr) -> None:
        self.check(part)
        if self.of(part) != TRUTH:
            raise self.source.error(
                whole.lineno,
                f"`{ast.unparse(whole)}` is for conditions, and {ast.unparse(part)} is none; "
                f"compare it with something",
            )

    def _compared(self, tree: ast.Compare) -> None:
        sides = [tree.left, *tree.comparators]
        for side in sides:
            self.check_one(side)
        kinds = [self.of(side) for side in sides]
        if TEXT not in kinds:
            return
        is_equal = all(isinstance(op, ast.Eq | ast.NotEq) for op in tree.ops)
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
