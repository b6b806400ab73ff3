"""The slope of an expression along x or y, as an expression again."""

from __future__ import annotations

import ast

__all__ = ["slope"]

# the slope of each function of `a`; where there is none, the middle of those on both sides
_SLOPES = {
    "abs": "sign(a)",
    "arctan": "1 / (1 + a * a)",
    "cos": "-sin(a)",
    "exp": "exp(a)",
    "log": "1 / a",
    "sign": "0",
    "sin": "cos(a)",
    "sqrt": "where(a > 0, 0.5 / sqrt(a), 0)",
    "tanh": "1 - tanh(a) ** 2",
}
_ZERO, _ONE = ast.Constant(0), ast.Constant(1)


def slope(tree: ast.expr, along: str) -> ast.expr:
    """The derivative along a name."""
    if isinstance(tree, ast.Name):
        return _ONE if tree.id == along else _ZERO
    if isinstance(tree, ast.UnaryOp):
        inner = slope(tree.operand, along)
        return _ZERO if _is(inner, 0) else ast.UnaryOp(tree.op, inner)
    if isinstance(tree, ast.BinOp):
        return _of_two(tree, along)
    if isinstance(tree, ast.Call):
        return _of_word(tree, along)
    return _ZERO


def _of_two(tree: ast.BinOp, along: str) -> ast.expr:
    a, b = tree.left, tree.right
    da, db = slope(a, along), slope(b, along)
    if isinstance(tree.op, ast.Add | ast.Sub):
        return _sum(da, db, tree.op)
    if isinstance(tree.op, ast.Mult):
        return _sum(_product(da, b), _product(a, db), ast.Add())
    if isinstance(tree.op, ast.Div):
        above = _sum(da, _product(_ratio(a, b), db), ast.Sub())
        return _ratio(above, b)
    return _of_power(a, b, da, db)


def _of_power(a: ast.expr, b: ast.expr, da: ast.expr, db: ast.expr) -> ast.expr:
    whole = ast.BinOp(a, ast.Pow(), b)
    changing = _product(_product(whole, _call("log", a)), db)  # nothing where b is a constant
    if isinstance(b, ast.Constant):
        less = float(b.value) - 1  # type: ignore[arg-type]
        one_less: ast.expr = a if less == 1 else ast.BinOp(a, ast.Pow(), ast.Constant(less))
        one_less = _ONE if less == 0 else one_less
    else:
        one_less = ast.BinOp(a, ast.Pow(), ast.BinOp(b, ast.Sub(), _ONE))
    return _sum(_product(_product(b, one_less), da), changing, ast.Add())


def _of_word(tree: ast.Call, along: str) -> ast.expr:
    assert isinstance(tree.func, ast.Name)
    word, inner = tree.func.id, [slope(one, along) for one in tree.args]
    if word in ("where", "maximum", "minimum"):
        test, values = tree.args[0], inner[1:]
        if word != "where":
            order: ast.cmpop = ast.Gt() if word == "maximum" else ast.Lt()
            test, values = ast.Compare(tree.args[0], [order], [tree.args[1]]), inner
        if all(_is(one, 0) for one in values):
            return _ZERO
        return _call("where", test, *values)
    outer = _Put(tree.args[0]).visit(ast.parse(_SLOPES[word], mode="eval").body)
    return _product(outer, inner[0])


class _Put(ast.NodeTransformer):
    """Puts an expression where `a` stands."""

    def __init__(self, tree: ast.expr) -> None:
        self._tree = tree

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._tree if node.id == "a" else node


def _call(word: str, *values: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(word), list(values), [])


def _is(tree: ast.expr, number: float) -> bool:
    return isinstance(tree, ast.Constant) and tree.value == number


def _sum(a: ast.expr, b: ast.expr, op: ast.operator) -> ast.expr:
    if _is(b, 0):
        return a
    if _is(a, 0):
        return b if isinstance(op, ast.Add) else ast.UnaryOp(ast.USub(), b)
    return ast.BinOp(a, op, b)


def _product(a: ast.expr, b: ast.expr) -> ast.expr:
    if _is(a, 0) or _is(b, 0):
        return _ZERO
    if _is(a, 1) or _is(b, 1):
        return b if _is(a, 1) else a
    return ast.BinOp(a, ast.Mult(), b)


def _ratio(a: ast.expr, b: ast.expr) -> ast.expr:
    return _ZERO if _is(a, 0) else ast.BinOp(a, ast.Div(), b)
