"""From assignments to text: what is uniform moves in front of the loop, in double.

Beside the primitives of `thalweg.elementwise` a line may call `product(a, b)`: a times b, rounded.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from thalweg.fuse.lowering import Assign, Branch, Node, rounded
from thalweg.source import names_in

__all__ = ["Lines", "emit", "text_of"]


@dataclass(frozen=True)
class Lines:
    """What to run: uniform lines, the names to round from double, and per-element lines."""

    uniform: tuple[str, ...]
    rounded: tuple[tuple[str, str], ...]
    elements: tuple[str, ...]


def emit(nodes: list[Node], arrays: Collection[str], mark: str = "") -> Lines:
    varying = _varying(nodes, set(arrays))
    emitter = _Emitter(varying, mark)
    emitter.emit(nodes, "")
    return Lines(tuple(emitter.uniform), tuple(emitter.rounded), tuple(emitter.elements))


def _varying(nodes: list[Node], varying: set[str]) -> set[str]:
    """The names that differ from element to element."""
    before = -1
    while before != len(varying):
        before = len(varying)
        for node in _assignments(nodes):
            if names_in(node.value) & varying:
                varying.add(node.target)
    return varying


def _assignments(nodes: Iterable[Node]) -> Iterable[Assign]:
    for node in nodes:
        if isinstance(node, Assign):
            yield node
        elif isinstance(node, Branch):
            yield from _assignments(node.body)
            yield from _assignments(node.orelse)


class _Emitter:
    """Writes nodes as text, and moves whatever is uniform out of the loop.

    A uniform subexpression such as `1 - b2` is computed in double and rounded once; left in the
    loop, it would be computed from a rounded b2 and lose half of its digits.
    """

    def __init__(self, varying: Collection[str], mark: str) -> None:
        self.varying, self.mark = varying, mark
        self.uniform: list[str] = []
        self.rounded: list[tuple[str, str]] = []
        self.elements: list[str] = []
        self._known: dict[tuple[str, str], str] = {}
        self._before: set[str] = set()  # what the scopes around a branch have given a value
        self._indent = ""
        self._hoisted: list[str] = []
        self._count = 0

    def emit(self, nodes: list[Node], indent: str) -> None:
        for node in nodes:
            if isinstance(node, Branch):
                self._branch(node, indent)
                continue
            assert isinstance(node, Assign)  # the rest is no part of a pass
            if node.target in self.varying:
                self.elements.append(f"{indent}{node.target} = {self._element(node.value)}")
            else:
                self.uniform.append(f"{self._indent}{node.target} = {_uniform(node.value)}")
                self._hoisted.append(node.target)
                self._known.clear()

    def _branch(self, node: Branch, indent: str) -> None:
        test = self._hoist(node.test, "C")
        outer, self._hoisted = self._hoisted, []
        enclosing, self._before = self._before, self._before | set(outer)
        at = len(self.uniform)
        self._known.clear()
        self._open(node.body, indent, f"if {test}:")
        if node.orelse:
            self._open(node.orelse, indent, "else:")
        # a name given a value in one branch only must have one in the other as well
        fresh = [n for n in dict.fromkeys(self._hoisted) if n not in self._before]
        self.uniform[at:at] = [f"{self._indent}{name} = {_nothing(name)}" for name in fresh]
        self._hoisted, self._before = outer + fresh, enclosing

    def _open(self, body: list[Node], indent: str, opening: str) -> None:
        """Write one side of a branch, both before the loop and in it."""
        self.uniform.append(self._indent + opening)
        self.elements.append(indent + opening)
        before = len(self.uniform), len(self.elements)
        self._indent += "    "
        self.emit(body, indent + "    ")
        if len(self.uniform) == before[0]:
            self.uniform.append(f"{self._indent}pass")
        if len(self.elements) == before[1]:
            self.elements.append(f"{indent}    pass")
        self._indent = self._indent[:-4]
        self._known.clear()

    def _element(self, tree: ast.expr) -> str:
        return text_of(self._lift(tree))

    def _lift(self, tree: ast.expr, is_asked: bool = False) -> ast.expr:
        """An expression with its uniform parts by name; one that `is_asked` is a condition."""
        if not names_in(tree) & set(self.varying):
            is_test = is_asked or _is_test(tree)
            return ast.Name(self._hoist(tree, "C" if is_test else "U"), ast.Load())
        if isinstance(tree, ast.BinOp):
            if isinstance(tree.op, ast.Pow) and isinstance(tree.right, ast.Constant):
                return ast.BinOp(self._lift(tree.left), tree.op, tree.right)
            asks = isinstance(tree.op, ast.BitAnd | ast.BitOr)
            return ast.BinOp(self._lift(tree.left, asks), tree.op, self._lift(tree.right, asks))
        if isinstance(tree, ast.UnaryOp):
            return ast.UnaryOp(tree.op, self._lift(tree.operand, isinstance(tree.op, ast.Invert)))
        if isinstance(tree, ast.Call):
            asks = ast.unparse(tree.func) == "where"
            lifted = [self._lift(one, asks and not i) for i, one in enumerate(tree.args)]
            return ast.Call(tree.func, lifted, [])
        if isinstance(tree, ast.IfExp):
            test = ast.Name(self._hoist(tree.test, "C"), ast.Load())
            return ast.IfExp(test, self._lift(tree.body), self._lift(tree.orelse))
        if isinstance(tree, ast.Compare):
            return ast.Compare(
                self._lift(tree.left), tree.ops, [self._lift(c) for c in tree.comparators]
            )
        return tree

    def _hoist(self, tree: ast.expr, kind: str) -> str:
        text = _uniform(tree)
        if (kind, text) not in self._known:
            name = f"{kind}{self._count}{self.mark}"
            self._count += 1
            self.uniform.append(f"{self._indent}{name} = {text}")
            self._hoisted.append(name)
            self._known[kind, text] = name
            if kind == "U":
                self.rounded.append((f"R{name}", name))
        name = self._known[kind, text]
        return f"R{name}" if kind == "U" else name


def _is_test(tree: ast.expr) -> bool:
    """Whether an expression is a condition, by how it is written."""
    if isinstance(tree, ast.BinOp):
        return isinstance(tree.op, ast.BitAnd | ast.BitOr)
    if isinstance(tree, ast.UnaryOp):
        return isinstance(tree.op, ast.Not | ast.Invert)
    return isinstance(tree, ast.Compare | ast.BoolOp)


def _nothing(name: str) -> str:
    """What a name holds on the way that gives it no value: of its own type, for a compiler."""
    return "False" if name.startswith("C") else "0.0"


def _uniform(tree: ast.expr) -> str:
    """A number of the step, as the plain run has it: it is worked out once, and costs nothing."""
    return text_of(rounded(tree))


def text_of(tree: ast.expr) -> str:
    """An expression as Python reads it."""
    return ast.unparse(ast.fix_missing_locations(_Signed().visit(copy.deepcopy(tree))))


class _Signed(ast.NodeTransformer):
    """-2 to the power of 2 is written (-2) ** 2, which `unparse` knows for operators only."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        value = node.value
        if isinstance(value, int | float) and value < 0:
            return ast.UnaryOp(ast.USub(), ast.Constant(-value))
        return node
