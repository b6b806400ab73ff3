"""What is known before a step and carried into it: the numbers that elements are computed with.

Each has a name: its own, if it is never given another value, or one that is nobody's. The same
expression of the same numbers is carried once.
"""

from __future__ import annotations

import ast
import contextlib
from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Sequence

from thalweg.kinds import TEXT, Kinds
from thalweg.source import names_in
from thalweg.text import Level, Text

__all__ = ["Carried", "assigned_in"]


class Carried:
    """Names the numbers of one text, as its reader comes to them."""

    def __init__(
        self,
        text: Text,
        level: Callable[[ast.expr], Level],
        kinds: Kinds,
        decide: Callable[[ast.AST], None],
    ) -> None:
        self.text, self.level, self.kinds, self._decide = text, level, kinds, decide
        self._versions: dict[str, int] = {}
        self._made: ChainMap[tuple[str, tuple[int, ...]], str] = ChainMap()
        self._count = 0

    def changed(self, name: str) -> None:
        """From here on the name is another number."""
        self._versions[name] = self._versions.get(name, 0) + 1

    @contextlib.contextmanager
    def side(self) -> Iterator[None]:
        """One side of an `if`: a number that is worked out there may not be taken elsewhere."""
        self._made = self._made.new_child()
        yield
        self._made = self._made.parents

    def take(self, tree: ast.expr) -> None:
        """Give a name to every number that an expression on elements takes."""
        if isinstance(tree, ast.Constant):
            return
        if self.level(tree) == Level.STEP and (not _is_test(tree) or self._asks_text(tree)):
            self.text.numbers[tree] = self._number_named(tree)
            return
        if isinstance(tree, ast.IfExp) and self.level(tree.test) == Level.STEP:
            self._decide(tree)
            for side in (tree.body, tree.orelse):
                with self.side():
                    self.take(side)
            return
        for part in ast.iter_child_nodes(tree):
            is_function = isinstance(tree, ast.Call) and part is tree.func
            if isinstance(part, ast.expr) and not is_function:
                self.take(part)
        if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.BitAnd | ast.BitOr):
            tree.left, tree.right = self._condition(tree.left), self._condition(tree.right)

    def _condition(self, tree: ast.expr) -> ast.expr:
        """One side of `a & b`: a truth that was worked out before is a number, which is asked."""
        if tree not in self.text.numbers and not isinstance(tree, ast.Constant):
            return tree
        made = ast.copy_location(ast.Compare(tree, [ast.NotEq()], [ast.Constant(0)]), tree)
        self.text.found[made] = Level.STEP
        return made

    def _asks_text(self, tree: ast.expr) -> bool:
        """Whether a test compares text, which no engine knows: its outcome is a number then."""
        parts = (one for one in ast.walk(tree) if isinstance(one, ast.Name | ast.Constant))
        return any(self.kinds.of(one) == TEXT for one in parts)

    def _number_named(self, tree: ast.expr) -> str:
        if isinstance(tree, ast.Name):
            return self._held_or_fresh(tree)
        names = sorted(names_in(tree))
        key = ast.unparse(tree), tuple(self._versions.get(name, 0) for name in names)
        if key not in self._made:
            self._made[key] = self.fresh()
        return self._made[key]

    def _held_or_fresh(self, tree: ast.Name) -> str:
        """A number with a name keeps it, if it is never given another value."""
        if _times_assigned(self.text.body, tree.id) <= (tree.id not in self.text.source.arguments):
            return tree.id
        key = tree.id, (self._versions.get(tree.id, 0),)
        if key not in self._made:
            self._made[key] = self.fresh()
        return self._made[key]

    def fresh(self) -> str:
        """A name for one more number."""
        self._count += 1
        return f"n{self._count}_"

    def held(self) -> set[str]:
        """The numbers that have the name of what they are."""
        return {
            tree.id
            for tree, number in self.text.numbers.items()
            if isinstance(tree, ast.Name) and tree.id == number
        }


def _is_test(tree: ast.expr) -> bool:
    is_not = isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not)
    return is_not or isinstance(tree, ast.Compare | ast.BoolOp)


def assigned_in(body: Sequence[ast.stmt]) -> list[str]:
    return [
        node.id
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def _times_assigned(body: Collection[ast.stmt], name: str) -> int:
    """How often a name is given a value; under an `if` it counts as often, since it may not be."""
    plain = assigned_in([s for s in body if not isinstance(s, ast.If)]).count(name)
    under = assigned_in([s for s in body if isinstance(s, ast.If)]).count(name)
    return plain + 2 * under
