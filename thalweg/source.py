"""Reads the source of an `update`, and says by name and line what no engine could run."""

from __future__ import annotations

import ast
import difflib
import inspect
import linecache
import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from thalweg import elementwise

__all__ = ["Source", "names_in", "unknown"]

_FUNCTIONS = {
    getattr(elementwise, name): name for name in elementwise.PRIMITIVES + elementwise.COMPOSITES
}
_EXPRESSIONS = (
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.IfExp,
    ast.Call,
    ast.Name,
    ast.Constant,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.FloorDiv,
    ast.Mod,
    ast.Pow,
    ast.BitAnd,
    ast.BitOr,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
    ast.expr_context,
)


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

    @classmethod
    def of(cls, function: Callable[..., Any], title: str) -> Source:
        """Parse a function; its last statement must be its only `return`."""
        try:
            text = textwrap.dedent(inspect.getsource(function))
        except (OSError, TypeError):
            raise TypeError(
                f"{title}: its source cannot be read; write it in a file or a notebook cell"
            ) from None
        first = function.__code__.co_firstlineno
        try:
            tree = next(n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef))
        except (SyntaxError, StopIteration):
            raise TypeError(f"{title}: must be written with `def`, on lines of its own") from None
        body = [s for s in tree.body if not _is_docstring(s)]
        taken = tree.args.posonlyargs + tree.args.args + tree.args.kwonlyargs
        arguments = {a.arg: a.lineno for a in taken}
        found = cls(title, function, body[:-1], ast.Constant(0), tree.lineno, arguments, first)
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
            target.id
            for statement in self.body
            for node in ast.walk(statement)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }

    def changed(self, known: Mapping[str, Any]) -> set[str]:
        """The names that the body gives a value where these are known; other tests may go either
        way."""
        return _changed(self.body, known)

    def error(self, line: int, message: str) -> TypeError:
        """A TypeError naming function, file and line, and quoting the line."""
        number = self.first_line + line - 1
        path = self.function.__code__.co_filename
        quoted = linecache.getline(path, number).strip()
        place = f"{self.title}, line {number} of {path.rpartition('/')[2]}"
        return TypeError(f"{place}: {message}" + (f"\n    {quoted}" if quoted else ""))

    def function_named(self, name: str) -> str | None:
        """The elementwise function that a name in this source stands for, or None."""
        try:
            return _FUNCTIONS.get(self._meant_by(name))
        except TypeError:
            return None

    def _meant_by(self, name: str) -> Any:
        """What a name stands for outside of the function."""
        scope = inspect.getclosurevars(self.function)
        return scope.globals.get(name, scope.nonlocals.get(name))

    def number_named(self, name: str) -> float | None:
        """The module-level number that a name in this source stands for, or None."""
        target = self._meant_by(name)
        is_number = isinstance(target, int | float) and not isinstance(target, bool)
        return target if is_number else None

    def per_element(self, uniform: Collection[str]) -> set[str]:
        """The names that hold one value per element: the arguments that are not uniform, and
        whatever is computed from them."""
        varying = {name for name in self.arguments if name not in uniform}
        before = -1
        while before != len(varying):
            before = len(varying)
            for statement in self.body:
                for node in ast.walk(statement):
                    if isinstance(node, ast.Assign) and names_in(node.value) & varying:
                        varying |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        return varying

    def check(
        self,
        known: list[str],
        uniform: Collection[str],
        writable: Collection[str],
        advice: Callable[[str], str],
    ) -> None:
        """Raise a TypeError by name and line for whatever an engine could not run.

        `advice` is what to say of an argument that is not known.
        """
        varying = self.per_element(uniform)
        for name, line in self.arguments.items():
            if name not in known:
                raise self.error(line, advice(name))
        defined = set(self.arguments)
        self._check_statements(self.body, defined, varying)
        for value in self.results:
            self._check_expression(value, defined, varying)
        for name in sorted(self.assigned & set(known) - set(writable)):
            line = next(
                n.lineno
                for s in self.body
                for n in ast.walk(s)
                if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store)
            )
            raise self.error(line, f"{name!r} is given, and cannot be assigned; use another name")

    def _check_statements(self, body: list[ast.stmt], defined: set[str], varying: set[str]) -> None:
        for statement in body:
            if isinstance(statement, ast.If):
                self._check_uniform(statement.test, varying)
                self._check_expression(statement.test, defined, varying)
                self._check_statements(statement.body, defined, varying)
                self._check_statements(statement.orelse, defined, varying)
            elif isinstance(statement, ast.Assign):
                if not all(isinstance(t, ast.Name) for t in statement.targets):
                    raise self.error(statement.lineno, "assigns to something other than a name")
                self._check_expression(statement.value, defined, varying)
                defined |= {t.id for t in statement.targets if isinstance(t, ast.Name)}
            elif isinstance(statement, ast.AugAssign):
                name, line = ast.unparse(statement.target), statement.lineno
                raise self.error(
                    line,
                    f"would change {name} in place, which may be the caller's; use {name} = ...",
                )
            elif isinstance(statement, ast.Return):
                raise self.error(statement.lineno, "may only return at its end")
            elif isinstance(statement, ast.Expr):
                raise self.error(
                    statement.lineno,
                    f"`{ast.unparse(statement.value)}` gives no name a value; what stands here "
                    "must be `name = ...` or an `if`",
                )
            elif not isinstance(statement, ast.Pass):
                kind = type(statement).__name__.lower()
                raise self.error(statement.lineno, f"{kind!r} is not an assignment or an `if`")

    def _check_uniform(self, test: ast.expr, varying: set[str]) -> None:
        culprits = sorted(names_in(test) & varying)
        if culprits:
            raise self.error(
                test.lineno,
                f"`if` on {culprits[0]!r}, which differs from element to element; "
                f"use where(condition, a, b)",
            )

    def _check_expression(self, tree: ast.expr, defined: set[str], varying: set[str]) -> None:
        for node in ast.walk(tree):
            line = getattr(node, "lineno", tree.lineno)
            if not isinstance(node, _EXPRESSIONS):
                raise self.error(line, f"{type(node).__name__} is not arithmetic on elements")
            if isinstance(node, ast.IfExp):
                self._check_uniform(node.test, varying)
            elif _asks_truth(node) and names_in(node) & varying:
                raise self.error(
                    line, f"{_asks_truth(node)} on elements; use where(condition, a, b)"
                )
            elif isinstance(node, ast.Call):
                self._check_call(node, line)
            elif isinstance(node, ast.Name) and node.id not in defined:
                is_known = self.function_named(node.id) or self.number_named(node.id) is not None
                if not is_known:
                    raise self.error(line, unknown(node.id, sorted(defined)))

    def _check_call(self, node: ast.Call, line: int) -> None:
        name = ast.unparse(node.func)
        if not isinstance(node.func, ast.Name) or self.function_named(name) is None:
            allowed = [*elementwise.PRIMITIVES, *elementwise.COMPOSITES]
            if inspect.isfunction(self._meant_by(name)):
                raise self.error(
                    line,
                    f"{name} is a function of your own, which no engine can look into; "
                    f"write its lines here",
                )
            if name in allowed:  # Python's own abs, or one of another module
                hint = f"{name} is not the function of thalweg.elementwise"
            elif "." in name:
                hint = f"{name} is not a function of thalweg.elementwise"
            else:
                hint = unknown(name, allowed)
            raise self.error(line, hint + "; import it from thalweg.elementwise")
        if node.keywords:
            raise self.error(line, f"{name} takes its arguments by position")
        takes = elementwise.ARITY[self.function_named(name) or ""]
        if len(node.args) != takes:
            raise self.error(line, f"{name} takes {takes} arguments, got {len(node.args)}")


def _changed(body: Iterable[ast.stmt], known: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.Assign):
            found |= {t.id for t in statement.targets if isinstance(t, ast.Name)}
        elif isinstance(statement, ast.If):
            sides = [statement.body, statement.orelse]
            if names_in(statement.test) <= known.keys():
                test = compile(ast.Expression(statement.test), "<switches>", "eval")
                sides = [sides[0] if eval(test, {"__builtins__": {}}, dict(known)) else sides[1]]
            found = found.union(*(_changed(side, known) for side in sides))
    return found


def names_in(tree: ast.AST) -> set[str]:
    """Every name a piece of syntax reads, functions apart."""
    called = {n.func for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and n not in called}


def _asks_truth(node: ast.AST) -> str:
    """What in a node asks its operands for one truth value, which an array does not have."""
    if isinstance(node, ast.BoolOp):
        return "`and`/`or`"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return "`not`"
    is_chain = isinstance(node, ast.Compare) and len(node.ops) > 1
    return "`a < b < c`" if is_chain else ""


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
