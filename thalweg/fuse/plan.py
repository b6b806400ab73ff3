"""Builds a plan: a chain with its switches fixed, reduced to the lines one pass has to run.

The lines are plain Python text in the parts' own names. A line is either uniform (one value per
tensor, computed in double, before the loop) or per element (computed in the loop, where every
number has already been rounded to the computation type). No engine's words occur here.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from thalweg.chain import Chain, Part
from thalweg.rule import Measure
from thalweg.source import Source, names_in

__all__ = ["Lines", "Pass", "Plan", "Reduction", "plan_for"]


@dataclass(frozen=True)
class Lines:
    """What to run: uniform lines, the names to round from double, and per-element lines."""

    uniform: tuple[str, ...]
    rounded: tuple[tuple[str, str], ...]
    elements: tuple[str, ...]


@dataclass(frozen=True)
class Reduction:
    """A measure: the lines that compute `value` per element, and how the values are combined."""

    name: str
    scope: str
    kind: str
    value: str
    lines: Lines


@dataclass(frozen=True)
class Pass:
    """One sweep over memory: per row the row reductions, then the lines, then what is stored.

    `result` is the reduction that the pass is made for, or None for the pass that stores.
    """

    loads: tuple[str, ...]
    stores: tuple[str, ...]
    numbers: tuple[str, ...]
    rows: tuple[Reduction, ...]
    lines: Lines
    result: Reduction | None = None

    @property
    def streams(self) -> tuple[str, ...]:
        """Every array the pass touches, loads first."""
        return tuple(dict.fromkeys([*self.loads, *self.stores]))


@dataclass(frozen=True)
class Plan:
    """Everything one step of one tensor runs: the reductions it must know first, then the pass."""

    chain: Chain
    reductions: tuple[Pass, ...]
    main: Pass


@dataclass(frozen=True)
class _Assign:
    target: str
    value: ast.expr


@dataclass(frozen=True)
class _Branch:
    test: ast.expr
    body: list[_Assign | _Branch]
    orelse: list[_Assign | _Branch]


_Node = _Assign | _Branch


def plan_for(chain: Chain, static: Mapping[str, bool | str]) -> Plan:
    """The plan of a chain under one set of switches; built once and kept."""
    return _plan(chain, tuple(static.items()))


@functools.lru_cache(maxsize=1024)
def _plan(chain: Chain, static: tuple[tuple[str, bool | str], ...]) -> Plan:
    builder = _Builder(chain, dict(static))
    main = builder.main()
    needed = builder.reductions_under(main)
    return Plan(chain, tuple(builder.reduction_pass(name) for name in needed), main)


class _Builder:
    """Lowers every part of a chain once, then cuts passes out of the whole."""

    def __init__(self, chain: Chain, static: Mapping[str, bool | str]) -> None:
        self.chain = chain
        self.static = static
        self.parts: list[list[_Node]] = [self._lower_part(part) for part in chain.parts]
        self.measures: dict[str, tuple[int, Part, Measure]] = {
            part.qualified(name): (i, part, m)
            for i, part in enumerate(chain.parts)
            for name, m in part.declared.declaration.measures.items()
        }
        arrays = ["p", "g", *(slot.qualified for slot in chain.slots)]
        self.arrays = arrays
        self.varying = {*arrays, *(n for n, (_, _, m) in self.measures.items() if m.scope == "row")}

    def main(self) -> Pass:
        """The pass that stores: all parts, and every array that one of them gave a value."""
        nodes = [node for part in self.parts for node in part]
        stores = [name for name in self.arrays if name in _targets(nodes) and name != "g"]
        return self._cut(nodes, stores, stores)

    def reductions_under(self, main: Pass) -> list[str]:
        """The tensor-wide measures a pass needs, those of earlier parts first."""
        found: list[str] = []
        waiting = [n for n in main.numbers if n in self.measures]
        while waiting:
            name = waiting.pop()
            found.append(name)
            waiting += [
                n for n in self.reduction_pass(name).numbers if n in self.measures and n not in found
            ]
        order = list(self.measures)
        return sorted(found, key=order.index)

    def reduction_pass(self, name: str) -> Pass:
        """The pass that computes one tensor-wide measure."""
        nodes, value = self._measured(name)
        _, _, m = self.measures[name]
        cut = self._cut(nodes, [value], [])
        result = Reduction(name, m.scope, m.reduction, value, cut.lines)
        return Pass(cut.loads, (), cut.numbers, cut.rows, cut.lines, result)

    def _measured(self, name: str) -> tuple[list[_Node], str]:
        """Everything that runs before a measure, and the line that gives its value."""
        i, part, m = self.measures[name]
        assert m.source is not None
        value = f"{name}__value"
        nodes = [node for earlier in self.parts[:i] for node in earlier]
        expression = _Lower(part, m.source, self.static, {}).visit(m.source.result)
        return [*nodes, _Assign(value, expression)], value

    def _cut(self, nodes: list[_Node], keep: Collection[str], stores: Iterable[str]) -> Pass:
        """Drop what `keep` does not depend on and order the rest into a pass."""
        live = _live(nodes, set(keep))
        rows = self._row_reductions(live)
        nodes = _prune(nodes, live)
        used = live.union(*(row_live for _, row_live in rows)) if rows else live
        known = self._numbers()
        return Pass(
            loads=tuple(n for n in self.arrays if n in used),
            stores=tuple(stores),
            numbers=tuple(n for n in known if n in used),
            rows=tuple(row for row, _ in rows),
            lines=_emit(nodes, self.varying),
        )

    def _row_reductions(self, live: set[str]) -> list[tuple[Reduction, set[str]]]:
        """The row measures that are needed, in order, each with the names it needs itself."""
        found: list[tuple[Reduction, set[str]]] = []
        needed = set(live)
        for name in reversed(self.measures):
            _, _, m = self.measures[name]
            if m.scope == "row" and name in needed:
                nodes, value = self._measured(name)
                row_live = _live(nodes, {value})
                needed |= row_live
                lines = _emit(_prune(nodes, row_live), self.varying, f"_{name}")
                found.append((Reduction(name, "row", m.reduction, value, lines), row_live))
        return found[::-1]

    def _numbers(self) -> list[str]:
        """Every uniform number there is: what parts declare, and the tensor-wide measures."""
        declared = [
            part.qualified(n) for part in self.chain.parts for n in part.declared.declaration.numbers
        ]
        return declared + [n for n, (_, _, m) in self.measures.items() if m.scope != "row"]

    def _lower_part(self, part: Part) -> list[_Node]:
        source = part.declared.source
        assert source is not None
        own: dict[str, str] = {}
        nodes: list[_Node] = []
        for stream in ("p", "g"):  # one assigned but not returned is this part's own business
            if stream in source.assigned and stream not in source.returned:
                own[stream] = f"{part.prefix}__{stream}"
                nodes.append(_Assign(own[stream], ast.Name(stream, ast.Load())))
        return nodes + _Lower(part, source, self.static, own).statements(source.body)


class _Lower(ast.NodeVisitor):
    """Gives names their place in the plan, and folds what the switches decide.

    Every visit returns new syntax: the source is shared by all plans.
    """

    def __init__(
        self, part: Part, source: Source, static: Mapping[str, bool | str], own: Mapping[str, str]
    ) -> None:
        self.part, self.source, self.static, self.own = part, source, static, own

    def statements(self, body: list[ast.stmt]) -> list[_Node]:
        nodes: list[_Node] = []
        for statement in body:
            if isinstance(statement, ast.Assign):
                value = self.visit(statement.value)
                nodes += [_Assign(self._name(t.id), value) for t in statement.targets]  # type: ignore[attr-defined]
            elif isinstance(statement, ast.AugAssign):
                target = self._name(statement.target.id)  # type: ignore[union-attr]
                before = ast.Name(target, ast.Load())
                value = ast.BinOp(before, statement.op, self.visit(statement.value))
                nodes.append(_Assign(target, value))
            elif isinstance(statement, ast.If):
                nodes += self._branch(statement)
        return nodes

    def _branch(self, statement: ast.If) -> list[_Node]:
        test = self.visit(statement.test)
        if isinstance(test, ast.Constant):
            return self.statements(statement.body if test.value else statement.orelse)
        return [_Branch(test, self.statements(statement.body), self.statements(statement.orelse))]

    def _name(self, name: str) -> str:
        return self.own.get(name) or self.part.qualified(name)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.source.arguments or node.id in self.source.assigned:
            name = self._name(node.id)
            if name in self.static:
                return ast.Constant(self.static[name])
            return ast.Name(name, ast.Load())
        return ast.Constant(self.source.number_named(node.id))

    def visit_Call(self, node: ast.Call) -> ast.expr:
        assert isinstance(node.func, ast.Name)
        name = self.source.function_named(node.func.id)
        assert name is not None
        return ast.Call(ast.Name(name, ast.Load()), [self.visit(a) for a in node.args], [])

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            return self.visit(node.body if test.value else node.orelse)
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
        return ast.BinOp(self.visit(node.left), node.op, self.visit(node.right))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        return _folded(ast.UnaryOp(node.op, self.visit(node.operand)))

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        left, right = self.visit(node.left), [self.visit(c) for c in node.comparators]
        return _folded(ast.Compare(left, node.ops, right))


def _folded(tree: ast.expr) -> ast.expr:
    """The value of an expression made of constants only, as a constant."""
    leaves = [n for n in ast.walk(tree) if isinstance(n, ast.Name | ast.Call)]
    if leaves:
        return tree
    code = compile(ast.fix_missing_locations(ast.Expression(tree)), "<switches>", "eval")
    return ast.Constant(eval(code, {"__builtins__": {}}))  # constants and operators, checked above


def _targets(nodes: Iterable[_Node]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, _Assign):
            found.add(node.target)
        else:
            found |= _targets(node.body) | _targets(node.orelse)
    return found


def _live(nodes: list[_Node], keep: set[str]) -> set[str]:
    """Every name that the names in `keep` depend on, themselves included."""
    live = set(keep)
    before = -1
    while before != len(live):
        before = len(live)
        _grow(nodes, live)
    return live


def _grow(nodes: list[_Node], live: set[str]) -> None:
    for node in reversed(nodes):
        if isinstance(node, _Assign):
            if node.target in live:
                live |= names_in(node.value)
        elif _targets([node]) & live:
            live |= names_in(node.test)
            _grow(node.body, live)
            _grow(node.orelse, live)


def _prune(nodes: list[_Node], live: set[str]) -> list[_Node]:
    kept: list[_Node] = []
    for node in nodes:
        if isinstance(node, _Assign):
            if node.target in live:
                kept.append(node)
        elif _targets([node]) & live:
            kept.append(_Branch(node.test, _prune(node.body, live), _prune(node.orelse, live)))
    return kept


def _emit(nodes: list[_Node], arrays: Collection[str], mark: str = "") -> Lines:
    varying = _varying(nodes, set(arrays))
    emitter = _Emitter(varying, mark)
    emitter.emit(nodes, "")
    return Lines(tuple(emitter.uniform), tuple(emitter.rounded), tuple(emitter.elements))


def _varying(nodes: list[_Node], varying: set[str]) -> set[str]:
    """The names that differ from element to element."""
    before = -1
    while before != len(varying):
        before = len(varying)
        for node in _assignments(nodes):
            if names_in(node.value) & varying:
                varying.add(node.target)
    return varying


def _assignments(nodes: Iterable[_Node]) -> Iterable[_Assign]:
    for node in nodes:
        if isinstance(node, _Assign):
            yield node
        else:
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
        self._known: dict[str, str] = {}
        self._indent = ""
        self._hoisted: list[str] = []
        self._count = 0

    def emit(self, nodes: list[_Node], indent: str) -> None:
        for node in nodes:
            if isinstance(node, _Branch):
                self._branch(node, indent)
            elif node.target in self.varying:
                self.elements.append(f"{indent}{node.target} = {self._element(node.value)}")
            else:
                self.uniform.append(f"{self._indent}{node.target} = {_text(node.value)}")
                self._hoisted.append(node.target)
                self._known.clear()

    def _branch(self, node: _Branch, indent: str) -> None:
        test = self._hoist(node.test, "c")
        outer, self._hoisted = self._hoisted, []
        at = len(self.uniform)
        self._known.clear()
        self._open(node.body, indent, f"if {test}:")
        if node.orelse:
            self._open(node.orelse, indent, "else:")
        # a name given a value in one branch only must have one in the other as well
        fresh = [n for n in dict.fromkeys(self._hoisted) if n not in outer]
        self.uniform[at:at] = [f"{self._indent}{name} = 0.0" for name in fresh]
        self._hoisted = outer + fresh

    def _open(self, body: list[_Node], indent: str, opening: str) -> None:
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
        return _text(self._lift(tree))

    def _lift(self, tree: ast.expr) -> ast.expr:
        if not names_in(tree) & set(self.varying):
            is_test = isinstance(tree, ast.Compare | ast.BoolOp)
            return ast.Name(self._hoist(tree, "c" if is_test else "u"), ast.Load())
        if isinstance(tree, ast.BinOp):
            if isinstance(tree.op, ast.Pow) and isinstance(tree.right, ast.Constant):
                return ast.BinOp(self._lift(tree.left), tree.op, tree.right)
            return ast.BinOp(self._lift(tree.left), tree.op, self._lift(tree.right))
        if isinstance(tree, ast.UnaryOp):
            return ast.UnaryOp(tree.op, self._lift(tree.operand))
        if isinstance(tree, ast.Call):
            return ast.Call(tree.func, [self._lift(a) for a in tree.args], [])
        if isinstance(tree, ast.IfExp):
            test = ast.Name(self._hoist(tree.test, "c"), ast.Load())
            return ast.IfExp(test, self._lift(tree.body), self._lift(tree.orelse))
        if isinstance(tree, ast.Compare):
            return ast.Compare(
                self._lift(tree.left), tree.ops, [self._lift(c) for c in tree.comparators]
            )
        return tree

    def _hoist(self, tree: ast.expr, kind: str) -> str:
        text = _text(tree)
        if text not in self._known:
            name = f"{kind}{self._count}{self.mark}"
            self._count += 1
            self.uniform.append(f"{self._indent}{name} = {text}")
            self._hoisted.append(name)
            self._known[text] = name
            if kind == "u":
                self.rounded.append((f"r{name}", name))
        name = self._known[text]
        return f"r{name}" if kind == "u" else name


def _text(tree: ast.expr) -> str:
    return ast.unparse(ast.fix_missing_locations(tree))
