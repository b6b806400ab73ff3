"""Under which settings a text comes to a name: a state exists from the step that needs it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from thalweg.source import names_in
from thalweg.text import Text

__all__ = ["needed"]

Known = Mapping[str, ast.expr]


def needed(text: Text, name: str, settings: Known) -> ast.expr | None:
    """The condition on the settings under which a text may come to a name, None if it always may;
    `settings` are what stands for each of them."""
    known = dict(settings)
    for statement in text.body:
        if isinstance(statement, ast.Assign):
            known |= _known_by(statement, known, text)
    ways: list[dict[str, ast.expr]] = []  # the tests of each, by what they say
    for under in _ways_to(text.body, name, ()):
        tests = [one for test, way in under if (one := _may_be(test, way, known)) is not None]
        ways.append({ast.dump(one): one for one in tests})
    wide = [way for i, way in enumerate(ways) if not _is_within(way, ways[:i], ways[i + 1 :])]
    if {} in ways:
        return None
    if not ways:  # taken, and not read
        return ast.Constant(False)
    wholes = [_joined(ast.And(), list(way.values())) for way in wide]
    return _joined(ast.Or(), wholes)


def _is_within(
    way: dict[str, ast.expr], before: list[dict[str, ast.expr]], behind: list[dict[str, ast.expr]]
) -> bool:
    """Whether another way asks for less: a way that is there twice is kept once."""
    return any(one.keys() <= way.keys() for one in before) or any(
        one.keys() < way.keys() for one in behind
    )


def _joined(op: ast.boolop, parts: list[ast.expr]) -> ast.expr:
    return ast.BoolOp(op, parts) if parts[1:] else parts[0]


def _known_by(statement: ast.Assign, known: Known, text: Text) -> dict[str, ast.expr]:
    """The names that a line works out from settings, if no other line gives them a value."""
    stored = [
        n.id
        for one in text.body
        for n in ast.walk(one)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ]
    target, value = statement.targets[0], statement.value
    if not names_in(value) <= known.keys():
        return {}
    whole = _in_place(value, known)
    if isinstance(target, ast.Name):
        found: dict[str, ast.expr] = {target.id: whole}
    elif isinstance(target, ast.Tuple):
        found = {
            one.id: ast.Subscript(whole, ast.Constant(i))
            for i, one in enumerate(target.elts)
            if isinstance(one, ast.Name)
        }
    return {name: one for name, one in found.items() if stored.count(name) == 1}


def _ways_to(
    body: Sequence[ast.stmt], name: str, under: tuple[tuple[ast.expr, bool], ...]
) -> Iterator[tuple[tuple[ast.expr, bool], ...]]:
    for statement in body:
        if isinstance(statement, ast.If):
            yield from _ways_in(statement.test, name, under)
            yield from _ways_to(statement.body, name, (*under, (statement.test, True)))
            yield from _ways_to(statement.orelse, name, (*under, (statement.test, False)))
        elif isinstance(statement, ast.Assign):
            yield from _ways_in(statement.targets[0], name, under)
            yield from _ways_in(statement.value, name, under)


def _ways_in(
    tree: ast.AST, name: str, under: tuple[tuple[ast.expr, bool], ...]
) -> Iterator[tuple[tuple[ast.expr, bool], ...]]:
    if isinstance(tree, ast.IfExp):
        yield from _ways_in(tree.test, name, under)
        yield from _ways_in(tree.body, name, (*under, (tree.test, True)))
        yield from _ways_in(tree.orelse, name, (*under, (tree.test, False)))
        return
    if isinstance(tree, ast.Name) and tree.id == name:
        yield under
    for part in ast.iter_child_nodes(tree):
        yield from _ways_in(part, name, under)


def _may_be(tree: ast.expr, way: bool, known: Known) -> ast.expr | None:
    """The condition on the settings under which a test may go one way; None if it always may."""
    if isinstance(tree, ast.BoolOp):
        parts = [_may_be(one, way, known) for one in tree.values]
        if isinstance(tree.op, ast.And) is way:  # all of them must go that way
            asked = [one for one in parts if one is not None]
            return _joined(ast.And(), asked) if asked else None
        if None in parts:
            return None
        return _joined(ast.Or(), [one for one in parts if one is not None])
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
        return _may_be(tree.operand, not way, known)
    if not names_in(tree) <= known.keys():
        return None
    asked_for = _in_place(tree, known)
    return asked_for if way else ast.UnaryOp(ast.Not(), asked_for)


def _in_place(tree: ast.expr, known: Known) -> ast.expr:
    class Named(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.expr:
            return ast.Call(node.func, [self.visit(one) for one in node.args], [])

        def visit_Name(self, node: ast.Name) -> ast.expr:
            return known[node.id]

    copied = ast.parse(ast.unparse(tree), mode="eval").body
    made: ast.expr = Named().visit(copied)
    return made
