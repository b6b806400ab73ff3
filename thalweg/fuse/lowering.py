"""From the syntax of an `update` to assignments in the plan's own names, switches decided."""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from thalweg import elementwise
from thalweg.chain import Part
from thalweg.source import Source, names_in

__all__ = [
    "Assign",
    "Branch",
    "Lower",
    "Node",
    "needed_for",
    "prune",
    "rounded",
    "rounded_in",
    "targets",
]


@dataclass(frozen=True)
class Assign:
    target: str
    value: ast.expr


@dataclass(frozen=True)
class Branch:
    test: ast.expr
    body: list[Assign | Branch]
    orelse: list[Assign | Branch]


Node = Assign | Branch


class Lower(ast.NodeVisitor):
    """Gives names their place in the plan, and folds what the switches decide.

    Every visit returns new syntax: the source is shared by all plans.
    """

    def __init__(
        self, part: Part, source: Source, static: Mapping[str, bool | str], own: Mapping[str, str]
    ) -> None:
        self.part, self.source, self.static, self.own = part, source, static, own

    def statements(self, body: list[ast.stmt]) -> list[Node]:
        nodes: list[Node] = []
        for statement in body:
            if isinstance(statement, ast.Assign):
                value = self.visit(statement.value)
                nodes += [Assign(self._name(t.id), value) for t in statement.targets]  # type: ignore[attr-defined]
            elif isinstance(statement, ast.If):
                nodes += self._branch(statement)
        return nodes

    def _branch(self, statement: ast.If) -> list[Node]:
        test = self.visit(statement.test)
        if isinstance(test, ast.Constant):
            return self.statements(statement.body if test.value else statement.orelse)
        return [Branch(test, self.statements(statement.body), self.statements(statement.orelse))]

    def _name(self, name: str) -> str:
        return self.own.get(name) or self.part.qualified(name)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return _number(node.value)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.source.arguments or node.id in self.source.assigned:
            name = self._name(node.id)
            if name in self.static:
                return ast.Constant(self.static[name])
            return ast.Name(name, ast.Load())
        return _number(self.source.number_named(node.id))

    def visit_Call(self, node: ast.Call) -> ast.expr:
        assert isinstance(node.func, ast.Name)
        name = self.source.function_named(node.func.id)
        assert name is not None
        arguments = [self.visit(a) for a in node.args]
        if name in elementwise.COMPOSITES:
            return _written_out(name, arguments)
        return ast.Call(ast.Name(name, ast.Load()), arguments, [])

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            result: ast.expr = self.visit(node.body if test.value else node.orelse)
            return result
        return ast.IfExp(test, self.visit(node.body), self.visit(node.orelse))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        deciding = isinstance(node.op, ast.Or)
        values = []
        for value in map(self.visit, node.values):
            if not isinstance(value, ast.Constant):
                values.append(value)
            elif bool(value.value) is deciding:
                return ast.Constant(deciding)
        if len(values) < 2:
            return values[0] if values else ast.Constant(not deciding)
        return ast.BoolOp(node.op, values)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        is_power = isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant)
        right = node.right if is_power else self.visit(node.right)  # x**2 is x times x
        return ast.BinOp(self.visit(node.left), node.op, right)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        return _folded(ast.UnaryOp(node.op, self.visit(node.operand)))

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        left, right = self.visit(node.left), [self.visit(c) for c in node.comparators]
        return _folded(ast.Compare(left, node.ops, right))


def _written_out(name: str, arguments: list[ast.expr]) -> ast.expr:
    """The expression that a composite function stands for: what is uniform in it can be hoisted."""
    source = _composite(name)
    given = dict(zip(source.arguments, arguments, strict=True))

    class Inserted(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.expr:
            return _number(node.value)

        def visit_Name(self, node: ast.Name) -> ast.expr:
            return given.get(node.id, node)

    written: ast.expr = Inserted().visit(copy.deepcopy(source.result))
    return written


@functools.cache
def _composite(name: str) -> Source:
    return Source.of(getattr(elementwise, name), name)


def _number(value: Any) -> ast.Constant:
    """A constant; a whole number as a float, so that no engine computes with integers."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return ast.Constant(float(value) if is_whole else value)


def _folded(tree: ast.expr) -> ast.expr:
    """The value of an expression made of constants only, as a constant."""
    leaves = [n for n in ast.walk(tree) if isinstance(n, ast.Name | ast.Call)]
    if leaves:
        return tree
    code = compile(ast.fix_missing_locations(ast.Expression(tree)), "<switches>", "eval")
    return ast.Constant(eval(code, {"__builtins__": {}}))  # constants and operators, checked above


def targets(nodes: Iterable[Node]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, Assign):
            found.add(node.target)
        else:
            found |= targets(node.body) | targets(node.orelse)
    return found


def needed_for(nodes: list[Node], keep: set[str]) -> set[str]:
    """Every name that the names in `keep` depend on, themselves included."""
    live = set(keep)
    before = -1
    while before != len(live):
        before = len(live)
        _grow(nodes, live)
    return live


def _grow(nodes: list[Node], live: set[str]) -> None:
    for node in reversed(nodes):
        if isinstance(node, Assign):
            if node.target in live:
                live |= names_in(node.value)
        elif targets([node]) & live:
            live |= names_in(node.test)
            _grow(node.body, live)
            _grow(node.orelse, live)


def prune(nodes: list[Node], live: set[str]) -> list[Node]:
    kept: list[Node] = []
    for node in nodes:
        if isinstance(node, Assign):
            if node.target in live:
                kept.append(node)
        elif targets([node]) & live:
            kept.append(Branch(node.test, prune(node.body, live), prune(node.orelse, live)))
    return kept


def rounded(tree: ast.expr) -> ast.expr:
    """The same with every product written as `product(a, b)`, which is rounded before it is used.

    Elsewhere a product and a sum may become one instruction, which keeps the product's digits: a
    difference of two numbers that are equal once rounded is then not zero.
    """
    result: ast.expr = _Rounded().visit(copy.deepcopy(tree))
    return result


def rounded_in(nodes: Iterable[Node], names: set[str]) -> list[Node]:
    """The nodes, with every product rounded in what the names are given."""
    found: list[Node] = []
    for node in nodes:
        if isinstance(node, Branch):
            body, orelse = rounded_in(node.body, names), rounded_in(node.orelse, names)
            found.append(Branch(node.test, body, orelse))
        else:
            is_meant = node.target in names
            found.append(Assign(node.target, rounded(node.value)) if is_meant else node)
    return found


class _Rounded(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = self.visit(node.left), self.visit(node.right)
        squares = isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant)
        if isinstance(node.op, ast.Mult):
            return ast.Call(ast.Name("product", ast.Load()), [left, right], [])
        if squares and node.right.value == 2:  # type: ignore[attr-defined]
            return ast.Call(ast.Name("product", ast.Load()), [left, left], [])
        return ast.BinOp(left, node.op, right)
