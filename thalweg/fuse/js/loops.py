"""Gathers the lines of a step into loops: what is per element and stands together is one loop.

A line on numbers in between goes in front of the loop, where the loop does not mind.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from thalweg.fuse.js.lines import Add, If, Line, Loop, OfRows, Set, read_in, stored_in, walk

__all__ = ["Loops"]

_COUNTS = {"element": "n", "row": "rows", "column": "columns"}
_NOTHING = {"largest": float("-inf")}


class Loops:
    """One block of lines. `kinds` says of every name whether it is a "number", or there is one for
    each "row", "column" or "element"."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self.kinds = kinds
        self.lines: list[Line] = []
        self._loop: Loop | None = None

    def close(self) -> list[Line]:
        """End the loop that is open; the lines so far."""
        if self._loop is not None:
            self.lines += [self._loop, *self._loop.after]
            self._loop = None
        return self.lines

    def give(self, line: Set) -> None:
        """A name gets a value."""
        kind = self.kinds[line.targets[0]]
        self._number(line) if kind == "number" else self._in(kind, line)

    def reduce(self, part: str, target: str, kind: str, value: ast.expr, over: str) -> None:
        """A number that is the sum, mean, norm or largest of what is there per element, or `over`
        the rows or columns."""
        self._in(over, Add(part, target, kind, value))
        self.lines.append(Set(part, (target,), ast.Constant(_NOTHING.get(kind, 0))))
        assert self._loop is not None
        self._loop.made.add(target)
        whole = ast.Name(target)
        if kind == "norm":
            root = ast.Call(ast.Name("sqrt"), [whole], [])
            self._loop.after.append(Set(part, (target,), root))
        elif kind == "mean":
            share = ast.BinOp(whole, ast.Div(), ast.Name(_COUNTS[over]))
            self._loop.after.append(Set(part, (target,), share))

    def reduce_rows(self, line: OfRows) -> None:
        """A number for each row or column."""
        self.close().append(line)

    def branch(self, part: str, test: ast.expr, one: Loops, other: Loops) -> None:
        """An `if`: in the loop, where all that is under it could be one loop; else around loops."""
        line = If(part, test, one.close(), other.close())
        sides = [side for side in (line.body, line.orelse) if side]
        if not sides:
            return
        is_looped = any(isinstance(one, Loop | OfRows) for one in walk([line]))
        if not is_looped and all(self.kinds[name] == "number" for name in stored_in([line])):
            self._number(line)
            return
        over = {self._only_loop(side) for side in sides}
        if len(over) == 1 and "" not in over:
            self._in(over.pop(), If(part, test, _inside(line.body), _inside(line.orelse)))
        else:
            self.close().append(line)

    def _only_loop(self, side: list[Line]) -> str:
        """What a side loops over, if it is one loop and nothing else."""
        is_loop = len(side) == 1 and isinstance(side[0], Loop)
        return side[0].over if is_loop and isinstance(side[0], Loop) else ""

    def _number(self, line: Line) -> None:
        if self._loop is not None:
            inner = self._loop.body
            given = {*stored_in(inner)}
            is_minded = set(stored_in([line])) & (read_in(inner) | given)
            if is_minded or read_in([line]) & given:
                self.close()
        self.lines.append(line)

    def _in(self, over: str, line: Line) -> None:
        loop = self._loop
        if loop is not None and (loop.over != over or read_in([line]) & loop.made):
            self.close()
        if self._loop is None:
            self._loop = Loop(over)
        self._loop.body.append(line)


def _inside(side: list[Line]) -> list[Line]:
    return side[0].body if side and isinstance(side[0], Loop) else []
