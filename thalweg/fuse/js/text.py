"""A pass as the text of one JavaScript function: what a page runs, and what a person can read.

    function NAME(arrays, numbers, rows, columns)

It takes one tensor: its typed arrays by stream, its numbers by name, and how many rows of how many
elements it has. It stores in place and returns what the pass adds up to, a number per result.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from thalweg.fuse.js.words import HELPERS, Writer, indented
from thalweg.fuse.lines import Lines
from thalweg.fuse.plan import Pass
from thalweg.source import names_in

__all__ = ["ARRAYS", "function_text"]

# the typed array that holds a format, as JavaScript names it
ARRAYS = {"float64": "Float64Array", "float32": "Float32Array"}

_FINISH = {"mean": "k_sum / columns", "norm": "Math.sqrt(k_sum)"}


def function_text(pass_: Pass, computation: str, name: str) -> str:
    """The function of one pass, in which elements are computed as `computation` says."""
    elements = _Script(rounds=computation == "float32")
    head = [f"const {_array(stream)} = arrays.{stream};" for stream in pass_.streams]
    head += [f"const {number} = numbers.{number};" for number in pass_.numbers]
    body = _rows(pass_, elements) if pass_.rows else _flat(pass_, elements)
    helpers = "\n".join(HELPERS[one] for one in sorted(elements.used)).splitlines()
    lines = indented([*helpers, *head, *body])
    return "\n".join([f"function {name}(arrays, numbers, rows, columns) {{", *lines, "}"])


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
        *indented(body),
        "}",
        f"return {_array_of_totals(pass_)};",
    ]


def _before(several: Iterable[Lines], script: _Script) -> list[str]:
    """What is one number for the whole tensor, in double, and what of it the loops take rounded."""
    lines: list[str] = []
    for each in several:
        plain = _Script()
        lines += plain.block("\n".join(each.uniform))
        script.used |= plain.used
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
    return [f"for (let k_i = {start}; k_i < {end}; k_i++) {{", *indented([*body, *after]), "}"]


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


class _Script(Writer):
    """Python's lines as JavaScript's."""

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
            return [f"{ast.unparse(target)} = {self.value(statement.value)};"]
        if isinstance(statement, ast.If):
            lines = [
                f"if ({self.truth(statement.test)}) {{",
                *indented(self._all(statement.body)),
            ]
            if statement.orelse:
                lines += ["} else {", *indented(self._all(statement.orelse))]
            return [*lines, "}"]
        assert isinstance(statement, ast.Pass)
        return []

    def _all(self, body: Iterable[ast.stmt]) -> list[str]:
        return [line for statement in body for line in self._statement(statement)]
