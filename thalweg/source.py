"""Reads the source of a function of a declaration, and says where in it a mistake stands."""

from __future__ import annotations

import ast
import difflib
import inspect
import linecache
import numbers
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Source", "check_depth", "names_in", "text_of", "unknown"]

_DEEPEST_SYNTAX = 150  # Python itself gives up somewhat later, and names no line
_MOST_IFS = 40  # inside each other, an `elif` in the `if` before it


def unknown(name: str, allowed: Iterable[str]) -> str:
    """Say that a name is unknown, with the closest known one, or all of them."""
    allowed = list(allowed)
    close = difflib.get_close_matches(name, allowed, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(allowed) or 'none'}"
    return f"unknown name {name!r}; {hint}"


@dataclass
class Source:
    """One function of a declaration: its syntax tree and the names it takes, assigns, returns."""

    title: str
    function: Callable[..., Any]
    body: list[ast.stmt]
    result: ast.expr
    return_line: int
    arguments: dict[str, int]
    first_line: int
    def_line: int

    @classmethod
    def of(cls, function: Callable[..., Any], title: str) -> Source:
        """Parse a function; its last statement must be its only `return`."""
        try:
            text = text_of(function)
        except (OSError, TypeError):
            raise TypeError(
                f"{title}: its source cannot be read; write it in a file or a notebook cell"
            ) from None
        first = inspect.unwrap(function).__code__.co_firstlineno
        try:
            tree = next(n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef))
        except (SyntaxError, StopIteration):
            raise TypeError(f"{title}: must be written with `def`, on lines of its own") from None
        body = [s for s in tree.body if not _is_docstring(s)]
        taken = tree.args.posonlyargs + tree.args.args + tree.args.kwonlyargs
        arguments = {a.arg: a.lineno for a in taken}
        found = cls(
            title, function, body[:-1], ast.Constant(0), tree.lineno, arguments, first, tree.lineno
        )
        if not body or not isinstance(body[-1], ast.Return) or body[-1].value is None:
            raise found.error(tree.body[-1].lineno, "must end with `return` and the new values")
        found.result, found.return_line = body[-1].value, body[-1].lineno
        return found

    @property
    def returned(self) -> list[str]:
        """The names an `update` returns, in order."""
        for value in self.results:
            if not isinstance(value, ast.Name):
                raise self.error(
                    value.lineno, "must return names, such as `return p, m, v`; assign first"
                )
        return [value.id for value in self.results if isinstance(value, ast.Name)]

    @property
    def results(self) -> list[ast.expr]:
        """The expressions that a function returns."""
        return list(self.result.elts) if isinstance(self.result, ast.Tuple) else [self.result]

    @property
    def assigned(self) -> set[str]:
        """Every name the body gives a value."""
        return {
            name.id
            for statement in self.body
            for node in ast.walk(statement)
            if isinstance(node, ast.Assign)
            for target in node.targets
            for name in (target.elts if isinstance(target, ast.Tuple) else [target])
            if isinstance(name, ast.Name)
        }

    def error(self, line: int, message: str) -> TypeError:
        """A TypeError naming function, file and line, and quoting the line."""
        number = self.first_line + line - 1
        path = inspect.unwrap(self.function).__code__.co_filename
        quoted = self.quoted(line)
        place = f"{self.title}, line {number} of {path.rpartition('/')[2]}"
        return TypeError(f"{place}: {message}" + (f"\n    {quoted}" if quoted else ""))

    def quoted(self, line: int) -> str:
        """A line as it is written."""
        path = inspect.unwrap(self.function).__code__.co_filename
        return linecache.getline(path, self.first_line + line - 1).strip()

    def meant_by(self, name: str) -> Any:
        """What a name stands for outside of the function."""
        scope = inspect.getclosurevars(self.function)
        return scope.globals.get(name, scope.nonlocals.get(name))

    def number_named(self, name: str) -> float | None:
        """The module-level number that a name in this source stands for, or None."""
        target = self.meant_by(name)
        if isinstance(target, bool) or not isinstance(target, numbers.Real):
            return None
        return int(target) if isinstance(target, numbers.Integral) else float(target)


def text_of(function: Callable[..., Any]) -> str:
    """The lines of a function as if it stood in no class; a docstring may start further left."""
    lines = inspect.getsource(function).splitlines(keepends=True)
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    return "".join(line.removeprefix(indent) for line in lines)


def names_in(tree: ast.AST) -> set[str]:
    """Every name a piece of syntax reads, functions apart."""
    called = {n.func for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and n not in called}


def check_depth(source: Source, tree: ast.AST) -> None:
    """Refuse what is nested so deeply that no reader, and no Python, would follow it."""
    waiting = [(tree, source.return_line, 0, 0)]
    while waiting:
        node, line, depth, ifs = waiting.pop()
        line = getattr(node, "lineno", line)
        if depth > _DEEPEST_SYNTAX:
            raise source.error(line, "is too long or too deep to follow; give its parts names")
        if ifs > _MOST_IFS:
            raise source.error(line, f"stands in more than {_MOST_IFS} `if`s; an `elif` is one too")
        for child in ast.iter_child_nodes(node):
            is_if = isinstance(child, ast.If)
            waiting.append((child, line, 0 if is_if else depth + 1, ifs + is_if))


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
