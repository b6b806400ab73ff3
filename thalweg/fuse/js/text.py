"""A pass as the text of one JavaScript function: what a page runs, and what a person can read.

    function NAME(arrays, numbers, rows, columns)

It takes one tensor: its typed arrays by stream, its numbers by name, and how many rows of how many
elements it has. It stores in place and returns what the pass adds up to, a number per result.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from thalweg.fuse.lines import Lines
from thalweg.fuse.plan import Pass
from thalweg.source import names_in

__all__ = ["ARRAYS", "function_text"]

# the typed array that holds a format, as JavaScript names it
ARRAYS = {"float64": "Float64Array", "float32": "Float32Array"}

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Eq: "===",
    ast.NotEq: "!==",
    ast.And: "&&",
    ast.Or: "||",
    ast.BitAnd: "&&",
    ast.BitOr: "||",
    ast.USub: "-",
    ast.UAdd: "+",
    ast.Not: "!",
    ast.Invert: "!",
}
_LOGICAL = (ast.BitAnd, ast.BitOr)
# Math.max and Math.min give NaN if either is, as ours do
_FUNCTIONS = {
    "sqrt": "Math.sqrt",
    "exp": "Math.exp",
    "log": "Math.log",
    "abs": "Math.abs",
    "sign": "Math.sign",
    "maximum": "Math.max",
    "minimum": "Math.min",
}
_FINISH = {"mean": "k_sum / columns", "norm": "Math.sqrt(k_sum)"}


def function_text(pass_: Pass, computation: str, name: str) -> str:
    """The function of one pass, in which elements are computed as `computation` says."""
    elements = _Script(rounds=computation == "float32")
    head = [f"const {_array(stream)} = arrays.{stream};" for stream in pass_.streams]
    head += [f"const {number} = numbers.{number};" for number in pass_.numbers]
    body = _rows(pass_, elements) if pass_.rows else _flat(pass_, elements)
    return "\n".join(
        [f"function {name}(arrays, numbers, rows, columns) {{", *_in([*head, *body]), "}"]
    )


def _flat(pass_: Pass, script: _Script) -> list[str]:
    return [
        *_totals(pass_),
        *_before([pass_.lines], script),
        *_loop(pass_, pass_.lines, _after(pass_), "0", "rows * columns", script),
        f"return {_array_of_totals(pass_)};",
    ]


def _rows(pass_: Pass, script: _Script) -> list[str]:
    """Per row: its reductions, then the row itself."""
    body = ["const k_start = k_row * columns, k_end = k_start + columns;"]
    for row in pass_.rows:
        after = [_added(row.kind, "k_sum", row.value)]
        body.append(f"k_sum = {_start(row.kind)};")
        body += _loop(pass_, row.lines, after, "k_start", "k_end", script)
        body.append(f"const {row.name} = {script.rounded(_FINISH.get(row.kind, 'k_sum'))};")
    body += _loop(pass_, pass_.lines, _after(pass_), "k_start", "k_end", script)
    return [
        *_totals(pass_),
        *_before([*(row.lines for row in pass_.rows), pass_.lines], script),
        "let k_sum = 0;",
        "for (let k_row = 0; k_row < rows; k_row++) {",
        *_in(body),
        "}",
        f"return {_array_of_totals(pass_)};",
    ]


def _before(several: Iterable[Lines], script: _Script) -> list[str]:
    """What is one number for the whole tensor, in double, and what of it the loops take rounded."""
    lines: list[str] = []
    for each in several:
        lines += _Script(rounds=False).block("\n".join(each.uniform))
        lines += [f"const {new} = {script.rounded(old)};" for new, old in each.rounded]
    return lines


def _loop(
    pass_: Pass, lines: Lines, after: list[str], start: str, end: str, script: _Script
) -> list[str]:
    """The loop over elements: load, run the lines, then what is to be done with each."""
    text = "\n".join(lines.elements)
    used = names_in(ast.parse(text))
    given = [name for name in pass_.loads if name in used]
    body = [f"let {name} = {_array(name)}[k_i];" for name in given]
    body += script.block(text, known=given)
    return [f"for (let k_i = {start}; k_i < {end}; k_i++) {{", *_in([*body, *after]), "}"]


def _after(pass_: Pass) -> list[str]:
    """What is stored, and what is added up."""
    found = [f"{_array(name)}[k_i] = {name};" for name in pass_.stores]
    totals = enumerate(pass_.results)
    return found + [_added(one.kind, f"k_total{i}", one.value) for i, one in totals]


def _totals(pass_: Pass) -> list[str]:
    return [f"let k_total{i} = {_start(one.kind)};" for i, one in enumerate(pass_.results)]


def _array_of_totals(pass_: Pass) -> str:
    return f"[{', '.join(f'k_total{i}' for i in range(len(pass_.results)))}]"


def _start(kind: str) -> str:
    """What a reduction of nothing is."""
    return "-Infinity" if kind == "largest" else "0"


def _added(kind: str, total: str, value: str) -> str:
    """The line that takes one value more into a total."""
    if kind == "largest":
        return f"{total} = Math.max({total}, {value});"
    return f"{total} += {value} * {value};" if kind == "norm" else f"{total} += {value};"


def _array(stream: str) -> str:
    return f"AT_{stream}"


def _in(lines: Iterable[str]) -> list[str]:
    return ["  " + line for line in lines]


class _Script:
    """Python's lines as JavaScript's; with `rounds`, every operation rounds to single precision.

    A double result of two singles, rounded once more, is the single result: so float32 is what it
    is elsewhere, bit for bit, where nothing is contracted.
    """

    def __init__(self, rounds: bool) -> None:
        self._rounds = rounds

    def rounded(self, text: str) -> str:
        """An expression in the computation type."""
        return f"Math.fround({text})" if self._rounds else text

    def block(self, text: str, known: Iterable[str] = ()) -> list[str]:
        """Some lines, with a declaration of every name that they give a value first."""
        tree = ast.parse(text)
        stored = [
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        ]
        fresh = [name for name in dict.fromkeys(stored) if name not in set(known)]
        declared = [f"let {', '.join(fresh)};"] if fresh else []
        return declared + [line for statement in tree.body for line in self._statement(statement)]

    def _statement(self, statement: ast.stmt) -> list[str]:
        if isinstance(statement, ast.Assign):
            (target,) = statement.targets
            return [f"{ast.unparse(target)} = {self._value(statement.value)};"]
        if isinstance(statement, ast.If):
            lines = [f"if ({self._value(statement.test)}) {{", *_in(self._all(statement.body))]
            if statement.orelse:
                lines += ["} else {", *_in(self._all(statement.orelse))]
            return [*lines, "}"]
        assert isinstance(statement, ast.Pass)
        return []

    def _all(self, body: Iterable[ast.stmt]) -> list[str]:
        return [line for statement in body for line in self._statement(statement)]

    def _value(self, tree: ast.expr) -> str:
        if isinstance(tree, ast.Name):
            return tree.id
        if isinstance(tree, ast.Constant):
            return self._constant(tree.value)
        if isinstance(tree, ast.BinOp):
            return self._binary(tree)
        if isinstance(tree, ast.UnaryOp):
            return f"({_OPERATORS[type(tree.op)]}{self._value(tree.operand)})"
        if isinstance(tree, ast.BoolOp):
            joint = f" {_OPERATORS[type(tree.op)]} "
            return f"({joint.join(map(self._value, tree.values))})"
        if isinstance(tree, ast.Compare):
            return self._comparison(tree)
        if isinstance(tree, ast.IfExp):
            return self._choice(tree.test, tree.body, tree.orelse)
        assert isinstance(tree, ast.Call), ast.dump(tree)
        return self._call(ast.unparse(tree.func), tree.args)

    def _constant(self, value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        text = {"inf": "Infinity", "nan": "NaN"}.get(repr(float(value)), repr(float(value)))
        return self.rounded(text) if self._rounds and not float(value).is_integer() else text

    def _binary(self, tree: ast.BinOp) -> str:
        left, right = self._value(tree.left), self._value(tree.right)
        if isinstance(tree.op, _LOGICAL):
            return f"({left} {_OPERATORS[type(tree.op)]} {right})"
        if isinstance(tree.op, ast.Pow):
            return self._power(tree, left, right)
        if isinstance(tree.op, ast.FloorDiv):
            return self.rounded(f"Math.floor({left} / {right})")
        if isinstance(tree.op, ast.Mod):  # Python's has the sign of the divisor
            return self.rounded(f"((({left}) % ({right}) + ({right})) % ({right}))")
        return self.rounded(f"({left} {_OPERATORS[type(tree.op)]} {right})")

    def _power(self, tree: ast.BinOp, left: str, right: str) -> str:
        is_square = isinstance(tree.right, ast.Constant) and tree.right.value == 2
        if is_square and isinstance(tree.left, ast.Name):
            return self.rounded(f"({left} * {left})")
        return self.rounded(f"(({left}) ** ({right}))")

    def _comparison(self, tree: ast.Compare) -> str:
        values = [self._value(v) for v in (tree.left, *tree.comparators)]
        pairs = zip(values, tree.ops, values[1:], strict=False)
        return "(" + " && ".join(f"{a} {_OPERATORS[type(op)]} {b}" for a, op, b in pairs) + ")"

    def _choice(self, test: ast.expr, body: ast.expr, orelse: ast.expr) -> str:
        return f"({self._value(test)} ? {self._value(body)} : {self._value(orelse)})"

    def _call(self, name: str, arguments: list[ast.expr]) -> str:
        if name == "where":
            test, body, orelse = arguments
            return self._choice(test, body, orelse)
        values = [self._value(a) for a in arguments]
        if name == "product":  # nothing is contracted here
            return self.rounded(f"({values[0]} * {values[1]})")
        return self.rounded(f"{_FUNCTIONS[name]}({', '.join(values)})")
