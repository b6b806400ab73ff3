"""The lines of a pass as Triton's: one after the other, each on a whole block of elements.

An `if` on a number of the step becomes a choice for each name that it gives a value, since a kernel
has one line of values; what is not chosen is computed and forgotten.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Sequence

from thalweg.fuse.lines import Lines
from thalweg.fuse.plan import Pass
from thalweg.source import names_in

__all__ = ["block", "numbers_of", "uniform_values"]

_ARITHMETIC: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.BitAnd: "&",
    ast.BitOr: "|",
}
_CALLED: dict[type[ast.AST], str] = {
    ast.Div: "divided",
    ast.Mod: "modulo",
    ast.FloorDiv: "quotient",
    ast.Pow: "power",
}
_COMPARISONS: dict[type[ast.AST], str] = {
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
# Triton's own names for what is the same there
_FUNCTIONS = {"abs": "tl.abs", "where": "tl.where"}
_OWN = ("sqrt", "cbrt", "exp", "log", "sign", "maximum", "minimum", "atan2")
_HIGHEST = 64  # a constant power up to here is a chain of products


def uniform_values(pass_: Pass) -> list[str]:
    """Of what is reduced, the values that are one number for all elements."""
    lines = [*(row.lines for row in pass_.rows), pass_.lines]
    given = {
        node.id
        for one in lines
        for node in ast.walk(ast.parse("\n".join(one.elements)))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    values = [*(row.value for row in pass_.rows), *(result.value for result in pass_.results)]
    return [value for value in dict.fromkeys(values) if value not in given]


def numbers_of(
    several: Iterable[Lines], reduced: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """What the loops take of the numbers of a step: those that are rounded, by name, and the
    truths. `reduced` are numbers that are reduced as they are."""
    rounded: list[str] = [*reduced]
    truths: list[str] = []
    for lines in several:
        used = names_in(ast.parse("\n".join(lines.elements)))
        rounded += [new for new, _ in lines.rounded if new in used]
        given = {
            node.id
            for node in ast.walk(ast.parse("\n".join(lines.uniform)))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        truths += sorted(used & given)
    return list(dict.fromkeys(rounded)), list(dict.fromkeys(truths))


def block(elements: Sequence[str], known: Collection[str]) -> list[str]:
    """Lines of Python as lines of Triton's; `known` are the names that have a value already."""
    return list(_all(ast.parse("\n".join(elements)).body, set(known), ""))


def _all(body: Iterable[ast.stmt], given: set[str], chosen: str) -> Iterator[str]:
    """Lines that hold where `chosen` does, an expression of truths."""
    for statement in body:
        if isinstance(statement, ast.Assign):
            (target,) = statement.targets
            assert isinstance(target, ast.Name)
            value = _value(statement.value)
            is_choice = bool(chosen) and target.id in given
            given.add(target.id)
            if is_choice:
                value = f"tl.where({chosen}, {value}, {target.id})"
            yield f"{target.id} = {value}"
        elif isinstance(statement, ast.If):
            test = _value(statement.test)
            both = f"({chosen} & {test})" if chosen else test
            other = f"({chosen} & ({test} == 0))" if chosen else f"({test} == 0)"
            yield from _all(statement.body, given, both)
            yield from _all(statement.orelse, given, other)
        else:
            assert isinstance(statement, ast.Pass), ast.dump(statement)


def _value(tree: ast.expr) -> str:
    """An expression, in brackets where it has an operator."""
    if isinstance(tree, ast.Name):
        return tree.id
    if isinstance(tree, ast.Constant):
        return repr(tree.value)
    if isinstance(tree, ast.BinOp):
        return _binary(tree)
    if isinstance(tree, ast.UnaryOp):
        return _unary(tree)
    if isinstance(tree, ast.Compare):
        values = [_value(one) for one in (tree.left, *tree.comparators)]
        pairs = zip(values, tree.ops, values[1:], strict=False)
        found = [f"({a} {_COMPARISONS[type(op)]} {b})" for a, op, b in pairs]
        return found[0] if len(found) == 1 else f"({' & '.join(found)})"
    if isinstance(tree, ast.IfExp):
        return _called("where", [tree.test, tree.body, tree.orelse])
    if isinstance(tree, ast.BoolOp):
        operator = " & " if isinstance(tree.op, ast.And) else " | "
        return f"({operator.join(map(_value, tree.values))})"
    assert isinstance(tree, ast.Call), ast.dump(tree)
    return _called(ast.unparse(tree.func), tree.args)


def _binary(tree: ast.BinOp) -> str:
    left = _value(tree.left)
    exponent = tree.right.value if isinstance(tree.right, ast.Constant) else None
    if isinstance(tree.op, ast.Pow) and isinstance(exponent, int | float):
        if float(exponent).is_integer() and 0 < exponent <= _HIGHEST:
            return _chain(left, int(exponent))
        return f"power({left}, tl.full((), {float(exponent)!r}, tl.float64))"
    if type(tree.op) in _CALLED:
        return f"{_CALLED[type(tree.op)]}({left}, {_value(tree.right)})"
    return f"({left} {_ARITHMETIC[type(tree.op)]} {_value(tree.right)})"


def _unary(tree: ast.UnaryOp) -> str:
    value = _value(tree.operand)
    if isinstance(tree.op, ast.USub):
        return f"negative({value})"
    return value if isinstance(tree.op, ast.UAdd) else f"({value} == 0)"


def _called(name: str, arguments: Sequence[ast.expr]) -> str:
    values = list(map(_value, arguments))
    if name == "product":  # nothing is contracted here
        return f"({values[0]} * {values[1]})"
    if name not in (*_OWN, *_FUNCTIONS):
        raise TypeError(f"{name} is a word that the GPU engine does not have")
    return f"{_FUNCTIONS.get(name, name)}({', '.join(values)})"


def _chain(base: str, exponent: int) -> str:
    """A whole power, by squares."""
    if exponent == 1:
        return base
    half = _chain(base, exponent // 2)
    square = f"({half} * {half})"
    return f"({square} * {base})" if exponent % 2 else square
