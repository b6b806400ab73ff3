"""The words of the language as JavaScript has them: operators, functions, and expressions of both.

What Python does otherwise is done as Python does it: `%` and `//` round down, and a number that is
asked for its truth is true if it is not 0, NaN too.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Collection
from typing import Any

__all__ = ["HELPERS", "Writer", "indented"]

# each with how tightly it binds: what binds less tightly stands in brackets
_BINARY: dict[type[ast.AST], tuple[str, int]] = {
    ast.Add: ("+", 12),
    ast.Sub: ("-", 12),
    ast.Mult: ("*", 13),
    ast.Div: ("/", 13),
    ast.BitAnd: ("&&", 5),
    ast.BitOr: ("||", 4),
}
_LOGICAL: dict[type[ast.AST], tuple[str, int]] = {ast.And: ("&&", 5), ast.Or: ("||", 4)}
# a truth equals 0 or 1, as in Python: to === it never does
_COMPARISONS: dict[type[ast.AST], str] = {
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_CHOICE, _OF_TRUTHS, _COMPARED, _POWER, _UNARY, _WORD = 3, 6, 10, 14, 15, 20
# Math.max and Math.min give NaN if either is, as ours do
_FUNCTIONS = {
    "sqrt": "Math.sqrt",
    "cbrt": "Math.cbrt",
    "exp": "Math.exp",
    "log": "Math.log",
    "abs": "Math.abs",
    "sign": "Math.sign",
    "maximum": "Math.max",
    "minimum": "Math.min",
    "atan2": "Math.atan2",
}

# what JavaScript has not: Python's `%` and `//`, and a moving average with torch's rounding
HELPERS = {
    "lerp": """\
const lerp = (a, b, w) =>  // from a towards b, with torch's rounding
  Math.abs(w) < 0.5 ? a + w * (b - a) : b + (w - 1) * (b - a);""",
    "modulo": """\
const modulo = (a, b) => {  // as in Python: with the sign of b
  const rest = a % b;
  return rest && (rest < 0) !== (b < 0) ? rest + b : rest;
};""",
    "quotient": """\
const quotient = (a, b) => {  // as in Python: rounded down
  const rest = a % b, nearest = Math.round((a - rest) / b);
  return b === 0 ? a / b : rest && (rest < 0) !== (b < 0) ? nearest - 1 : nearest;
};""",
}


def indented(lines: Collection[str]) -> list[str]:
    """Lines inside a block."""
    return ["  " + line for line in lines]


class Writer:
    """Writes expressions; `name` says what stands for a name, `truths` are the names of what is
    true or false. With `rounds`, every operation rounds to single precision.

    A double result of two singles, rounded once more, is the single result: so float32 is what it
    is elsewhere, bit for bit, where nothing is contracted. `used` are the helpers asked for.
    """

    def __init__(
        self,
        name: Callable[[str], str] = str,
        rounds: bool = False,
        truths: Collection[str] = (),
    ) -> None:
        self._name, self._rounds, self._truths = name, rounds, truths
        self.used: set[str] = set()

    def rounded(self, text: str) -> str:
        """An expression in the computation type."""
        return f"Math.fround({text})" if self._rounds else text

    def value(self, tree: ast.expr, least: int = 0) -> str:
        """An expression, in brackets where it binds less tightly than `least`."""
        text, binding = self._written(tree)
        return f"({text})" if binding < least else text

    def truth(self, tree: ast.expr, least: int = 0) -> str:
        """An expression of which only the truth is asked."""
        if isinstance(tree, ast.BoolOp):
            text, binding = self._of_several(tree, self.truth)
            return f"({text})" if binding < least else text
        if self._is_truth(tree):
            return self.value(tree, least)
        text = f"{self.value(tree, _COMPARED)} != 0"
        return f"({text})" if least > _COMPARED - 1 else text

    def _is_truth(self, tree: ast.expr) -> bool:
        if isinstance(tree, ast.Name):
            return tree.id in self._truths
        if isinstance(tree, ast.Constant):
            return isinstance(tree.value, bool)
        if isinstance(tree, ast.UnaryOp | ast.BinOp):
            return isinstance(tree.op, ast.Not | ast.Invert | ast.BitAnd | ast.BitOr)
        return isinstance(tree, ast.Compare)

    def _written(self, tree: ast.expr) -> tuple[str, int]:
        if isinstance(tree, ast.Name):
            return self._name(tree.id), _WORD
        if isinstance(tree, ast.Constant):
            return self._constant(tree.value)
        if isinstance(tree, ast.BinOp):
            return self._binary(tree)
        if isinstance(tree, ast.UnaryOp):
            return self._unary(tree)
        if isinstance(tree, ast.BoolOp):
            return self._of_several(tree, self.value)
        if isinstance(tree, ast.Compare):
            return self._comparison(tree)
        if isinstance(tree, ast.IfExp):
            return self._choice(tree.test, tree.body, tree.orelse)
        if isinstance(tree, ast.Tuple):
            return f"[{', '.join(map(self.value, tree.elts))}]", _WORD
        if isinstance(tree, ast.Subscript):
            return f"{self.value(tree.value, _WORD)}[{self.value(tree.slice)}]", _WORD
        assert isinstance(tree, ast.Call), ast.dump(tree)
        return self._call(ast.unparse(tree.func), tree.args)

    def _constant(self, value: Any) -> tuple[str, int]:
        if isinstance(value, bool):
            return str(value).lower(), _WORD
        if isinstance(value, str):
            return json.dumps(value), _WORD
        number = float(value)
        if number.is_integer() and abs(number) < 2**53:
            return str(int(number)), _WORD if number >= 0 else _UNARY
        text = repr(number).replace("inf", "Infinity").replace("nan", "NaN")
        return self.rounded(re.sub(r"e([+-])0+", r"e\1", text)), _WORD if number > 0 else _UNARY

    def _binary(self, tree: ast.BinOp) -> tuple[str, int]:
        if isinstance(tree.op, ast.Pow):
            return self._power(tree)
        if isinstance(tree.op, ast.FloorDiv | ast.Mod):
            helper = "modulo" if isinstance(tree.op, ast.Mod) else "quotient"
            self.used.add(helper)
            return self.rounded(f"{helper}({self.value(tree.left)}, {self.value(tree.right)})"), 20
        operator, binding = _BINARY[type(tree.op)]
        text = f"{self.value(tree.left, binding)} {operator} {self.value(tree.right, binding + 1)}"
        is_rounded = self._rounds and not isinstance(tree.op, ast.BitAnd | ast.BitOr)
        return (self.rounded(text), _WORD) if is_rounded else (text, binding)

    def _power(self, tree: ast.BinOp) -> tuple[str, int]:
        is_square = isinstance(tree.right, ast.Constant) and tree.right.value == 2
        if is_square and isinstance(tree.left, ast.Name):
            name = self._name(tree.left.id)
            return self.rounded(f"{name} * {name}"), _WORD if self._rounds else 13
        left, right = self.value(tree.left, _WORD), self.value(tree.right, _POWER)
        return self.rounded(f"{left} ** {right}"), _WORD if self._rounds else _POWER

    def _unary(self, tree: ast.UnaryOp) -> tuple[str, int]:
        if isinstance(tree.op, ast.Not | ast.Invert):
            return f"!{self.truth(tree.operand, _UNARY + 1)}", _UNARY
        sign = "-" if isinstance(tree.op, ast.USub) else "+"
        return f"{sign}{self.value(tree.operand, _UNARY + 1)}", _UNARY

    def _of_several(
        self, tree: ast.BoolOp, write: Callable[[ast.expr, int], str]
    ) -> tuple[str, int]:
        operator, binding = _LOGICAL[type(tree.op)]
        return f" {operator} ".join(write(one, _OF_TRUTHS) for one in tree.values), binding

    def _comparison(self, tree: ast.Compare) -> tuple[str, int]:
        values = [self.value(one, _COMPARED) for one in (tree.left, *tree.comparators)]
        pairs = zip(values, tree.ops, values[1:], strict=False)
        found = [f"{a} {_COMPARISONS[type(op)]} {b}" for a, op, b in pairs]
        return " && ".join(found), _COMPARED - 1 if len(found) == 1 else 5

    def _choice(self, test: ast.expr, body: ast.expr, orelse: ast.expr) -> tuple[str, int]:
        asked = self.truth(test, _CHOICE + 1)
        return f"{asked} ? {self.value(body, _CHOICE)} : {self.value(orelse, _CHOICE)}", _CHOICE

    def _call(self, name: str, arguments: list[ast.expr]) -> tuple[str, int]:
        if name == "where":
            test, body, orelse = arguments
            return self._choice(test, body, orelse)
        if name == "product":  # nothing is contracted here
            return self._binary(ast.BinOp(arguments[0], ast.Mult(), arguments[1]))
        if name not in {*_FUNCTIONS, *HELPERS}:
            raise TypeError(f"{name} is a word that the JavaScript engine does not have")
        values = [self.value(one) for one in arguments]
        if name in HELPERS:
            self.used.add(name)
            return f"{name}({', '.join(values)})", _WORD
        return self.rounded(f"{_FUNCTIONS[name]}({', '.join(values)})"), _WORD
