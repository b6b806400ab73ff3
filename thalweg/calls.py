"""Of what the words of an `update` that are more than arithmetic have one: reductions, words on
whole matrices, requests; and where each may stand."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection
from dataclasses import dataclass

from thalweg.kinds import Kinds
from thalweg.matrices import MATRIX_WORDS
from thalweg.reductions import REDUCTIONS, SCOPES
from thalweg.requests import REQUESTS
from thalweg.shapes import Shapes, as_written
from thalweg.source import unknown
from thalweg.text import SCOPE_OF, Level, Reduction, Request, Text, level_per

__all__ = ["Calls", "Place"]

_WRITTEN = {"matmul": "@", "transposed": ".mT"}
# what those that ask about elements are told
_TOLD = {"gradient": "other weights", "curvature": "a direction"}
_ON_MATRICES = (*_WRITTEN, *MATRIX_WORDS)


@dataclass(frozen=True)
class Place:
    """Where a call stands: under an `if` on a number that is measured, or in an expression where
    not every tensor comes to it."""

    is_under: bool
    is_perhaps: bool


class Calls:
    """Reads the calls of one text; `level` tells of what an expression has one, `names` are those
    of the text."""

    def __init__(
        self,
        text: Text,
        level: Callable[[ast.expr], Level],
        kinds: Kinds,
        shapes: Shapes,
        names: Collection[str],
    ) -> None:
        self.text, self.source = text, text.source
        self.level, self.kinds, self.shapes = level, kinds, shapes
        self._names = names
        self._of_word: dict[str, int] = {}

    def of(self, tree: ast.Call, place: Place) -> Level | None:
        """Of what a call has one; None for a word on elements and numbers."""
        word = ast.unparse(tree.func)
        if word in REQUESTS:
            return self._request(tree, word, place)
        if word in _ON_MATRICES:
            return self._on_matrices(tree, word, place)
        return self._reduction(tree, word, place) if word in REDUCTIONS else None

    def _check_under(self, tree: ast.Call, word: str, place: Place) -> None:
        if place.is_under:
            raise self.source.error(
                tree.lineno, f"{word} under an `if` on a number that is measured; take it before"
            )

    def _check_all(self, tree: ast.Call, word: str, place: Place) -> None:
        if place.is_perhaps:
            raise self.source.error(
                tree.lineno, f"{word} where not every tensor comes to it; take it before"
            )

    def _reduction(self, tree: ast.Call, word: str, place: Place) -> Level:
        over, value = self._over(tree, word), self.level(tree.args[0])
        self.kinds.check(tree.args[0])
        level = level_per(over)
        if {value, level} == {Level.ROW, Level.COLUMN}:  # for each row, the mean of its column
            self._check_under(tree, word, place)
            return self._filed(tree, word, over, value)
        if value == Level.MATRIX:
            raise self.source.error(
                tree.lineno,
                f"{word} of `{as_written(tree.args[0])}`, which is a matrix; what is reduced must "
                "be computed from elements",
            )
        is_same = (word, over) in (("mean", "tensor"), ("largest", "tensor"), ("largest", "all"))
        if level < value < Level.ELEMENT and not (
            is_same if value == Level.ROW else word == "largest"
        ):
            raise self.source.error(
                tree.lineno,
                f"{word} over {over!r} of {ast.unparse(tree.args[0])!r}, which is one number for "
                f"each {SCOPE_OF[value]}; what is reduced must be computed from elements",
            )
        if value <= level:
            what = ast.unparse(tree.args[0])
            each = "the step" if value == Level.STEP else f"each {SCOPE_OF[value]}"
            raise self.source.error(
                tree.lineno,
                f"{word} over {over!r} of {what!r}, which is one number for {each} already",
            )
        self._check_under(tree, word, place)
        if level == Level.ALL:
            self._check_all(tree, f'{word} over "all"', place)
        return self._filed(tree, word, over, level)

    def _filed(self, tree: ast.Call, word: str, over: str, level: Level) -> Level:
        if tree not in self.text.reductions:
            written = as_written(tree)
            self.text.reductions[tree] = Reduction(self._numbered(word), word, over, written)
        return level

    def _numbered(self, word: str) -> str:
        """A word with a number, which no name of the text is."""
        name = word
        while name in {word, *self._names}:
            self._of_word[word] = self._of_word.get(word, 0) + 1
            name = f"{word}{self._of_word[word]}"
        return name

    def _on_matrices(self, tree: ast.Call, word: str, place: Place) -> Level:
        """A word on whole matrices, whose result may be of the parameter's shape."""
        for part in tree.args:
            self.level(part)
        self._check_under(tree, _WRITTEN.get(word, word), place)
        level = self.shapes.level_of(tree)
        self.text.matrices.add(tree)
        return level

    def _request(self, tree: ast.Call, word: str, place: Place) -> Level:
        """What a border answers, a number for every element."""
        self._check_under(tree, word, place)
        if word == "noise":
            return self._noise(tree)
        self._check_all(tree, word, place)
        of = tree.args[1] if len(tree.args) == 2 else ast.Constant("loss")
        if not (isinstance(of, ast.Constant) and isinstance(of.value, str)):
            raise self.source.error(tree.lineno, f"{word} must say of which loss by a word")
        if self.level(tree.args[0]) != Level.ELEMENT:
            raise self.source.error(
                tree.lineno,
                f"{word} is told {_TOLD[word]}, and `{as_written(tree.args[0])}` is none",
            )
        return self._asked(tree, word, of.value)

    def _noise(self, tree: ast.Call) -> Level:
        """Numbers that are drawn at random: what it is told is known before the step."""
        for part in tree.args:
            if self.level(part) != Level.STEP:
                raise self.source.error(
                    tree.lineno,
                    f"noise is told numbers of the step, and `{as_written(part)}` is none",
                )
        if isinstance(tree.args[0], ast.Constant):
            raise self.source.error(
                tree.lineno,
                f"noise has the seed {as_written(tree.args[0])}, the same for every user; make it "
                "a setting",
            )
        return self._asked(tree, "noise", "")

    def _asked(self, tree: ast.Call, word: str, of: str) -> Level:
        if tree not in self.text.requests:
            name = self._numbered(word)
            self.text.requests[tree] = Request(name, word, of, as_written(tree))
        return Level.ELEMENT

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
