"""A step in numbers as text: each line of the rule, the same with its numbers, and the result."""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from thalweg.lab.answers import wrapped
from thalweg.lab.explain.walk import Line
from thalweg.matrices import MATRIX_WORDS

if TYPE_CHECKING:
    from thalweg.lab.explain.step import Explanation, PartExplained

__all__ = ["number", "plain", "told"]


def told(found: Explanation, width: int, step: int | None = None) -> list[str]:
    """An explanation in lines of this width; `step` is its number where the rule does not count."""
    shape = " x ".join(map(str, found.shape)) or "one number"
    at = f"element {list(found.index)} of {shape}" if found.shape else "one number"
    t = found.t if found.t is not None else step
    lines = wrapped(f"{found.optimizer}{f', step {t}' if t else ''}: {at}", width)
    lines += ["", *_letters("before", found.before, width)]
    for part in found.parts:
        lines += ["", *_part(part, width)]
    after = {name: value for name, value in found.after.items() if name != "g"}
    lines += ["", *_letters("after", after, width), ""]
    step_size, rate = found.step_size, number(found.effective_lr)
    way = f"goes {'down' if step_size > 0 else 'up'} by {number(abs(step_size))}"
    said = f"p {way if step_size else 'stays'}"
    if found.before["g"]:
        said += f". Plain gradient descent would do so with lr = {rate}, the effective rate"
    return lines + wrapped(f"{said}.", width)


def number(value: Any) -> str:
    """A number in six digits; what is no number as Python writes it."""
    if isinstance(value, tuple):
        return f"({', '.join(map(number, value))})"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value) if isinstance(value, int) else repr(value)


def _letters(word: str, values: Mapping[str, float], width: int) -> list[str]:
    # a letter and its number stay on one line
    said = ", ".join(f"{name}\xa0=\xa0{number(value)}" for name, value in values.items())
    lines = wrapped(said, width, f"{word:<7} ", " " * 8)
    return [line.replace("\xa0", " ") for line in lines]


def _part(part: PartExplained, width: int) -> list[str]:
    if not part.changed and all(line.taken is False for line in part.lines):
        why = "; ".join(f"{line.text}: no" for line in part.lines)
        return wrapped(f"{part.name} does nothing ({why})" if why else part.name, width, "", "  ")
    lines = [part.name]
    for line in part.lines:
        lines += _line(line, width, "  ")
    for name, (before, after) in part.changed.items():
        was = "" if before is None else f"{number(before)} -> "
        by = "" if before is None else f", by {number(after - before)}"
        lines += wrapped(f"{name}: {was}{number(after)}{by}", width, "  > ", "    ")
    return lines


def _line(line: Line, width: int, indent: str) -> list[str]:
    """The line as it is written, what it calls, the line with its numbers, and what it makes."""
    indent += "  " * line.depth
    deeper = f"{indent}  "
    lines = wrapped(line.text, width, indent, f"{indent}    ")
    for text, inner in line.inside:
        called = _called(text, line)
        lines += wrapped(f"{text} = {called}, from", width, deeper, f"{deeper}  ")
        for one in inner:
            lines += _line(one, width, f"{deeper}  ")
    words = ("if ", "return ")
    word = next((one for one in words if line.text.startswith(one)), "")
    expression = line.text.removeprefix(word) if word else _right(line.text)
    filled = _filled(expression, line)
    if line.taken is not None:
        said = f"{filled}: " if filled != expression else ""
        return lines + wrapped(
            f"{said}{'yes' if line.taken else 'no'}", width, deeper, f"{deeper}  "
        )
    values = ", ".join(number(value) for value in line.made.values())
    if word:  # the value stands above
        return lines + wrapped(f"= {filled}", width, deeper, f"{deeper}  ")
    if filled not in (expression, values, f"({values})"):
        lines += wrapped(f"= {filled}", width, deeper, f"{deeper}  ")
    return lines + wrapped(f"= {values}", width, deeper, f"{deeper}  ")


def _right(text: str) -> str:
    """The right side of an assignment."""
    (statement,) = ast.parse(text).body
    assert isinstance(statement, ast.Assign)
    return ast.unparse(statement.value)


def _called(text: str, line: Line) -> str:
    return number(line.calls[text])


def _filled(expression: str, line: Line) -> str:
    """An expression with numbers for its names and for the calls whose results are known."""
    tree = ast.parse(expression, mode="eval")
    return ast.unparse(_Filled(line.read, line.calls).visit(copy.deepcopy(tree)))


class _Filled(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, Any], calls: Mapping[str, Any]) -> None:
        self._names, self._calls = names, calls

    def visit_Call(self, node: ast.Call) -> ast.AST:
        text = ast.unparse(node)
        if text in self._calls:
            return _as_name(self._calls[text])
        if ast.unparse(node.func) not in MATRIX_WORDS:
            node.args = [self.visit(one) for one in node.args]
        return node

    # a product of matrices has no one number in it for an element

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        return node if isinstance(node.op, ast.MatMult) else self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return _as_name(self._names[node.id]) if node.id in self._names else node


def _as_name(value: Any) -> ast.expr:
    """A number as it is shown, which a syntax tree takes for a name."""
    shown = number(value)
    return ast.Name(f"({shown})" if shown.startswith("-") else shown)


def plain(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Lines as a program wants them."""
    return [
        {
            "text": line.text,
            "depth": line.depth,
            "read": line.read,
            "made": line.made,
            "taken": line.taken,
            "calls": line.calls,
            "inside": [{"call": text, "lines": plain(inner)} for text, inner in line.inside],
        }
        for line in lines
    ]
