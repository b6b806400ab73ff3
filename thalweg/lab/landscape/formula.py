"""A function of x and y, written once and read: its values, its slopes, and both in JavaScript."""

from __future__ import annotations

import ast
import copy
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from thalweg.lab.landscape.slope import slope
from thalweg.source import Source

__all__ = ["Formula"]

# each word as NumPy and as JavaScript have it
_WORDS: dict[str, tuple[Any, str]] = {
    "abs": (np.abs, "Math.abs"),
    "arctan": (np.arctan, "Math.atan"),
    "cos": (np.cos, "Math.cos"),
    "exp": (np.exp, "Math.exp"),
    "log": (np.log, "Math.log"),
    "maximum": (np.maximum, "Math.max"),
    "minimum": (np.minimum, "Math.min"),
    "sign": (np.sign, "Math.sign"),
    "sin": (np.sin, "Math.sin"),
    "sqrt": (np.sqrt, "Math.sqrt"),
    "tanh": (np.tanh, "Math.tanh"),
    "where": (np.where, ""),
}
_OTHER_NAMES = {"absolute": "abs", "fabs": "abs", "atan": "arctan"}
_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Lt: "<",
    ast.LtE: "<=",
}

_ALLOWED: tuple[type[ast.AST], ...] = (
    *(ast.BinOp, ast.UnaryOp, ast.Constant, ast.Compare, ast.operator, ast.USub, ast.UAdd),
    *(ast.Gt, ast.GtE, ast.Lt, ast.LtE),
)


@dataclass(frozen=True)
class Formula:
    """One expression in x and y, of arithmetic and of functions that both languages have."""

    tree: ast.expr

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Formula:
        """Read a function of two numbers; TypeError says what of it cannot be read."""
        source = Source.of(function, getattr(function, "__name__", "the function"))
        x, y = list(source.arguments)[:2]
        known: dict[str, ast.expr] = {x: ast.Name("x"), y: ast.Name("y")}
        for line in source.body:
            if not (isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)):
                raise source.error(line.lineno, "must be `name = expression`")
            known[line.targets[0].id] = _Plain(source, known).visit(copy.deepcopy(line.value))
        return cls(_Plain(source, known).visit(copy.deepcopy(source.result)))

    @cached_property
    def gradient(self) -> Callable[[np.ndarray, np.ndarray], tuple[Any, Any]]:
        """Both slopes, on arrays."""
        pair = ast.Tuple([slope(self.tree, "x"), slope(self.tree, "y")], ast.Load())
        whole = ast.Expression(ast.parse("lambda x, y: 0", mode="eval").body)
        assert isinstance(whole.body, ast.Lambda)
        whole.body.body = pair
        text = ast.unparse(ast.fix_missing_locations(whole))
        function: Callable[..., Any] = eval(text, {word: one for word, (one, _) in _WORDS.items()})
        return function

    @property
    def javascript(self) -> str:
        """An object with `value(x, y)` and `gradient(x, y)`."""
        slopes = ", ".join(_script(slope(self.tree, name)) for name in ("x", "y"))
        return f"{{value: (x, y) => {_script(self.tree)},\n gradient: (x, y) => [{slopes}]}}"

    def __str__(self) -> str:
        """As a person writes it."""
        text = ast.unparse(ast.fix_missing_locations(self.tree))
        for written, shown in ((" ** 2", "²"), (" ** 3", "³"), (" ** 4", "⁴"), (" * ", " ")):
            text = text.replace(written, shown)
        text = text.replace(repr(math.pi), "π").replace(repr(math.e), "e")
        return re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.4g}", text)


class _Plain(ast.NodeTransformer):
    """Puts what names stand for in their place; what is neither number nor word is refused."""

    def __init__(self, source: Source, known: Mapping[str, ast.expr]) -> None:
        self._source, self._known = source, known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._known:
            return copy.deepcopy(self._known[node.id])
        number = self._source.number_named(node.id)
        if number is None:
            raise self._source.error(node.lineno, f"{node.id!r} is no number")
        return ast.Constant(number)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        owner = self._source.meant_by(node.value.id) if isinstance(node.value, ast.Name) else None
        value = getattr(owner, node.attr, None)
        if not isinstance(value, float | int):
            raise self._source.error(node.lineno, f"{ast.unparse(node)!r} is no number")
        return ast.Constant(float(value))

    def visit_Call(self, node: ast.Call) -> ast.expr:
        word = ast.unparse(node.func).rpartition(".")[2]
        word = _OTHER_NAMES.get(word, word)
        if word not in _WORDS or node.keywords:
            known = ", ".join(_WORDS)
            raise self._source.error(node.lineno, f"{word!r} is no word of formulas: {known}")
        return ast.Call(ast.Name(word), [self.visit(one) for one in node.args], [])

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.IfExp):  # both sides are computed on arrays
            return self.visit_Call(
                ast.copy_location(
                    ast.Call(ast.Name("where"), [node.test, node.body, node.orelse], []), node
                )
            )
        is_known = isinstance(node, _ALLOWED) and not isinstance(node, ast.Mod | ast.FloorDiv)
        if not is_known or (isinstance(node, ast.Compare) and len(node.ops) > 1):
            line = getattr(node, "lineno", self._source.def_line)
            raise self._source.error(line, "has what a formula cannot have")
        return super().generic_visit(node)


def _script(tree: ast.expr) -> str:
    """An expression as JavaScript, in brackets wherever it is in doubt."""
    if isinstance(tree, ast.Name):
        return tree.id
    if isinstance(tree, ast.Constant):
        number = float(tree.value)  # type: ignore[arg-type]
        if not math.isfinite(number):
            return {"inf": "Infinity", "-inf": "-Infinity"}.get(str(number), "NaN")
        return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
    if isinstance(tree, ast.UnaryOp):
        return f"({'-' if isinstance(tree.op, ast.USub) else '+'}{_script(tree.operand)})"
    if isinstance(tree, ast.Compare):
        operator = _OPERATORS[type(tree.ops[0])]
        return f"({_script(tree.left)} {operator} {_script(tree.comparators[0])})"
    if isinstance(tree, ast.BinOp):
        left, right = _script(tree.left), _script(tree.right)
        if isinstance(tree.op, ast.Pow):
            is_square = right == "2" and isinstance(tree.left, ast.Name)
            return f"({left} * {left})" if is_square else f"Math.pow({left}, {right})"
        return f"({left} {_OPERATORS[type(tree.op)]} {right})"
    assert isinstance(tree, ast.Call)
    assert isinstance(tree.func, ast.Name)
    values = [_script(one) for one in tree.args]
    if tree.func.id == "where":
        return f"({values[0]} ? {values[1]} : {values[2]})"
    return f"{_WORDS[tree.func.id][1]}({', '.join(values)})"
