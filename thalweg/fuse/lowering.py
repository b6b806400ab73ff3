"""From the text of a chain to one line of nodes in the chain's own names, every `if` that is known
beforehand decided."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from thalweg.chain import Chain, Part, Ways
from thalweg.text import STREAMS, Level, Text

__all__ = [
    "Ask",
    "Assign",
    "Branch",
    "MatrixLine",
    "Node",
    "Reduce",
    "lowered",
    "rounded",
    "rounded_in",
    "targets",
]


@dataclass(frozen=True)
class Assign:
    target: str
    value: ast.expr


@dataclass(frozen=True)
class Reduce:
    """The sum, mean, norm or largest of a value, over a row, a column, a tensor or all. One that
    `is_aside` is an array of its own, which a pass before its reader adds up."""

    target: str
    kind: str
    over: str
    value: ast.expr
    is_aside: bool = False


@dataclass(frozen=True)
class MatrixLine:
    """A line on whole matrices, or on one number per row or column: `operands` are the arrays of
    the parameter's shape that it takes, `level` is that of its value, and `written` where it
    stands in the text. A value of another level than MATRIX lies in memory for passes to read."""

    target: str
    value: ast.expr
    operands: tuple[str, ...]
    level: Level
    written: str


@dataclass(frozen=True)
class Ask:
    """What a border answers, about an array or, of random numbers, about numbers of the step."""

    name: str
    target: str
    operands: tuple[str, ...]
    numbers: tuple[str | float, ...] = ()


@dataclass(frozen=True)
class Branch:
    test: ast.expr
    body: list[Node]
    orelse: list[Node]


Node = Assign | Branch | Reduce | MatrixLine | Ask


def lowered(chain: Chain, ways: Ways) -> list[Node]:
    """The whole chain, and behind the last part that has to do with a step u, the step."""
    nodes: list[Node] = []
    ends = chain.steps_after(ways)
    for i, (part, own) in enumerate(zip(chain.parts, ways, strict=True)):
        if own is not None:
            _Lower(part, own, nodes).lower()
        if i in ends:
            step = ast.BinOp(_name("p"), ast.Sub(), _name("u"))
            nodes.append(Assign("p", step))
    return nodes


class _Lower:
    """One part's text, with its `if`s taken as they fall.

    Every visit returns new syntax: the text is shared by all plans.
    """

    def __init__(self, part: Part, ways: Sequence[bool | None], nodes: list[Node]) -> None:
        self.part, self.ways, self.nodes = part, ways, nodes
        self.text: Text = part.declared.text
        source = self.text.source
        # one that is assigned and not returned is this part's own business
        self.own = {n for n in STREAMS if n in source.assigned and n not in source.returned}
        states = part.declared.declaration.arrays
        self._lasting = {*STREAMS, *map(part.qualified, states)}
        self._count = 0
        self._vectors: dict[str, str] = {}
        self._arrays: set[str] = set()  # of this step, per element: each has one value
        self._hint = ""  # the name that is being given a value

    def lower(self) -> None:
        """Add its nodes, in order."""
        for stream in STREAMS:
            if stream in self.own and stream in self.text.source.arguments:
                self.nodes.append(Assign(self._target(stream), _name(stream)))
        self._block(self.text.body)

    def _target(self, name: str) -> str:
        return f"{self.part.prefix}__{name}" if name in self.own else self.part.qualified(name)

    def _block(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            if statement in self.text.before:
                continue
            if isinstance(statement, ast.If):
                self._branch(statement)
            elif isinstance(statement, ast.Assign):
                (target,) = statement.targets
                assert isinstance(target, ast.Name)
                name = self._target(target.id)
                level = self.text.given[statement]
                if level == Level.MATRIX:
                    self._add_line(name, statement.value, level)
                elif self.text.on_vectors and level in (Level.ROW, Level.COLUMN):
                    self._give_vector(target.id, statement.value, level)
                else:
                    self._hint = target.id
                    self.nodes.append(Assign(name, self._visit(statement.value)))
                if not (self.text.on_vectors and level in (Level.ROW, Level.COLUMN)):
                    self._vectors.pop(target.id, None)  # it is no such array any more

    def _branch(self, statement: ast.If) -> None:
        number = self.text.decisions.get(statement)
        if number is not None:
            way = self.ways[number]
            self._block(statement.body if way else statement.orelse)
            self._lift(statement, "body" if way else "orelse")
            return
        test = self._visit(statement.test)
        self._lift(statement, "before")
        both = (n for one in (*statement.body, *statement.orelse) for n in ast.walk(one))
        read = {n.id for n in both if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        for name in sorted(read & {*self.text.vectors}):
            self._vector(name)  # lies there before the pass that decides
        outer, sides = self.nodes, []
        for side in (statement.body, statement.orelse):
            self.nodes = []
            self._block(side)
            sides.append(self.nodes)
        self.nodes = outer
        self.nodes.append(Branch(test, *sides))

    def _lift(self, statement: ast.If, where: str) -> None:
        for name, number in self.text.lifted.get((statement, where), ()):
            value = _name(self.part.qualified(number))
            level = self.text.joined.get((statement, name), Level.ELEMENT)
            if self.text.on_vectors and level in (Level.ROW, Level.COLUMN):
                self._vectors[name] = fresh = self._fresh(name)
                self.nodes.append(MatrixLine(fresh, value, (), level, name))
            else:
                self.nodes.append(Assign(self._target(name), value))

    def _visit(self, tree: ast.expr) -> ast.expr:
        number = self.text.numbers.get(tree)
        if number is not None:
            return _name(self.part.qualified(number))
        if isinstance(tree, ast.Name):
            is_vector = tree.id in self._vectors or tree.id in self.text.vectors
            return _name(self._vector(tree.id) if is_vector else self._target(tree.id))
        if isinstance(tree, ast.Constant):
            return _number(tree.value)
        if tree in self.text.decisions:
            assert isinstance(tree, ast.IfExp)
            return self._visit(tree.body if self.ways[self.text.decisions[tree]] else tree.orelse)
        if tree in self.text.reductions:
            assert isinstance(tree, ast.Call)
            over = self.text.reductions[tree].over
            if over in ("row", "column") and self._is_of_vectors(tree):
                name = self._fresh(self.text.reductions[tree].name)
                self._add_line(name, tree, self.text.found[tree])
                return _name(name)
            return self._reduce(tree, over == "column")
        if tree in self.text.requests:
            assert isinstance(tree, ast.Call)
            return self._ask(tree)
        if tree in self.text.matrices:
            name = self._fresh(self._hint or "product")
            self._add_line(name, tree, Level.ELEMENT)
            self._arrays.add(name)
            return _name(name)
        if isinstance(tree, ast.BinOp):
            is_power = isinstance(tree.op, ast.Pow) and isinstance(tree.right, ast.Constant)
            right = tree.right if is_power else self._visit(tree.right)  # x**2 is x times x
            return ast.BinOp(self._visit(tree.left), tree.op, right)
        made = copy.copy(tree)
        for field, value in ast.iter_fields(tree):
            if isinstance(value, ast.expr) and field != "func":
                setattr(made, field, self._visit(value))
            elif isinstance(value, list) and value and isinstance(value[0], ast.expr):
                setattr(made, field, [self._visit(one) for one in value])
        return made

    def _fresh(self, word: str) -> str:
        """A name for an array of this step, which no name of the text is."""
        self._count += 1
        return self.part.qualified(f"{word}{self._count}__")

    def _give_vector(self, name: str, tree: ast.expr, level: Level) -> None:
        """A name is given one number per row or column: each value is an array of its own, which
        passes behind it and before the next one may read."""
        fresh = self._fresh(name)
        self._add_line(fresh, tree, level)
        self._vectors[name] = fresh
        if name in self.text.vectors:
            written = self.text.source.quoted(tree.lineno)
            line = MatrixLine(self._target(name), _name(fresh), (), Level.MATRIX, written)
            self.nodes.append(line)

    def _vector(self, name: str) -> str:
        """The array that holds a name's numbers per row or column now."""
        if name not in self._vectors:
            fresh = self._fresh(name)
            level = self.text.vectors[name]
            line = MatrixLine(fresh, _name(self._target(name)), (), level, name)
            self.nodes.append(line)
            self._vectors[name] = fresh
        return self._vectors[name]

    def _add_line(self, name: str, tree: ast.expr, level: Level) -> None:
        operands: list[str] = []
        value = self._on_matrices(tree, operands)
        written = self.text.source.quoted(tree.lineno)
        taken = tuple(dict.fromkeys(operands))
        self.nodes.append(MatrixLine(name, value, taken, level, written))

    def _on_matrices(self, tree: ast.expr, operands: list[str]) -> ast.expr:
        """An expression of matrices, numbers and arrays of the parameter's shape, which must lie
        in memory: their names are added to the operands."""
        number = self.text.numbers.get(tree)
        if number is not None:
            return _name(self.part.qualified(number))
        if isinstance(tree, ast.Constant):
            return _number(tree.value)
        level = self.text.found[tree]
        if tree in self.text.decisions and level != Level.ELEMENT:
            assert isinstance(tree, ast.IfExp)
            way = self.ways[self.text.decisions[tree]]
            chosen = tree.body if way else tree.orelse
            if level in (Level.ROW, Level.COLUMN) and self.text.found[chosen] < level:
                name = self._fresh("chosen")
                self._add_line(name, chosen, level)
                return _name(name)
            return self._on_matrices(chosen, operands)
        if tree in self.text.reductions:
            assert isinstance(tree, ast.Call)
            asked = self.text.reductions[tree]
            if self._is_of_vectors(tree):
                words = [self._on_matrices(tree.args[0], operands), ast.Constant(asked.over)]
                return ast.Call(_name(asked.kind), words, [])
            return self._reduce(tree, asked.over in ("row", "column"))
        if level <= Level.TENSOR and not isinstance(tree, ast.Tuple):
            return self._visit(tree)
        if level == Level.ELEMENT and tree not in self.text.matrices:
            name = self._in_memory(tree)
            operands.append(name)
            return _name(name)
        if isinstance(tree, ast.Name):
            return _name(self._vectors.get(tree.id, self._target(tree.id)))
        made = copy.copy(tree)
        for field, value in ast.iter_fields(tree):
            if isinstance(value, ast.expr) and field != "func":
                setattr(made, field, self._on_matrices(value, operands))
            elif isinstance(value, list) and value and isinstance(value[0], ast.expr):
                setattr(made, field, [self._on_matrices(one, operands) for one in value])
        return made

    def _is_of_vectors(self, tree: ast.Call) -> bool:
        """Whether what is reduced is one number per row or column already, and no pass does it."""
        return self.text.found[tree.args[0]] in (Level.ROW, Level.COLUMN)

    def _in_memory(self, tree: ast.expr) -> str:
        """An array that holds a value per element: one of the step, if it has been changed."""
        value = self._visit(tree)
        there = self._lies(value.id) if isinstance(value, ast.Name) else ""
        if there:
            return there
        name = self._fresh(tree.id if isinstance(tree, ast.Name) else "operand")
        self.nodes.append(Assign(name, value))
        self._arrays.add(name)
        return name

    def _lies(self, name: str) -> str:
        """The array in memory that has the value of a name; empty, if there is none."""
        if name not in targets(n for n in self.nodes if isinstance(n, Assign | Branch)):
            return name if name in self._arrays or name in self._lasting else ""
        for node in reversed(self.nodes):
            if isinstance(node, Branch):
                break
            if not isinstance(node, Assign):
                continue
            held = node.value.id if isinstance(node.value, ast.Name) else ""
            if held == name and node.target in self._arrays:
                return node.target
            if node.target == name:
                return held if held in self._arrays else ""
        return ""

    def _ask(self, tree: ast.Call) -> ast.expr:
        asked = self.text.requests[tree]
        name = self.part.qualified(asked.name)
        if not any(isinstance(node, Ask) and node.name == name for node in self.nodes):
            told = [] if asked.kind == "noise" else tree.args[:1]
            at = tuple(self._in_memory(one) for one in told)
            known = [] if told else [self._visit(one) for one in tree.args]
            numbers = tuple(getattr(one, "id", None) or one.value for one in known)  # type: ignore[attr-defined]
            self.nodes.append(Ask(name, f"{name}__", at, numbers))
            self._arrays.add(f"{name}__")
        return _name(f"{name}__")

    def _reduce(self, tree: ast.Call, is_aside: bool) -> ast.expr:
        asked = self.text.reductions[tree]
        name = self.part.qualified(asked.name)
        if not any(isinstance(node, Reduce) and node.target == name for node in self.nodes):
            told = asked.kind, asked.over, self._visit(tree.args[0])
            self.nodes.append(Reduce(name, *told, is_aside))
        return _name(name)


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _number(value: Any) -> ast.Constant:
    """A constant; a whole number as a float, so that no engine computes with integers."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return ast.Constant(float(value) if is_whole else value)


def targets(nodes: Iterable[Node]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        inner = [*node.body, *node.orelse] if isinstance(node, Branch) else []
        found |= targets(inner) if isinstance(node, Branch) else {node.target}
    return found


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
        elif isinstance(node, MatrixLine | Ask):
            found.append(node)
        else:
            is_meant = node.target in names
            found.append(replace(node, value=rounded(node.value)) if is_meant else node)
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
