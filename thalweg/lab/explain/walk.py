"""Runs an `update` as it is written, line by line, and keeps what each line made of its numbers.

The text is the rule's own: what is shown is what is computed. A function of the rule's file is
walked through as well, below the line that calls it.
"""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from thalweg.matrices import transposed
from thalweg.reading import WORDS
from thalweg.reductions import AXES, in_stacks
from thalweg.source import Source
from thalweg.text import Request, Text

__all__ = ["Line", "walk"]

_CALLED, _SEEN, _KNOWN, _WHOLE = "_called_", "_seen_", "_known_", "_whole_"
_REQUEST, _TRANSPOSED, _STACKS = "_request_", "_transposed_", "_in_stacks_"


@dataclass
class Line:
    """One line that was run: its text, the names it gave a value, and what its `if` decided.

    `read` are the names that it took and what they were; `calls` the results of reductions and
    of the calls of the file's own functions, by their text, and `inside` the lines of these.
    """

    text: str
    depth: int
    made: dict[str, Any] = field(default_factory=dict)
    read: dict[str, Any] = field(default_factory=dict)
    taken: bool | None = None
    calls: dict[str, Any] = field(default_factory=dict)
    inside: list[tuple[str, list[Line]]] = field(default_factory=list)


def walk(
    text: Text,
    table: Mapping[str, Any],
    of_all: Callable[[str, str, Any], Any],
    request: Callable[..., Any],
    whole: Callable[[Any], Any],
    is_stack: bool = False,
) -> tuple[list[Line], Any]:
    """The lines of one `update` on the arrays and numbers of `table`, and what it returns.

    `of_all` gives the reductions over all tensors, by name, `request` what else the text asks for;
    `whole` makes an array of a number that is reduced. With `is_stack` rows and columns are those
    of the last two axes.
    """
    asked: dict[ast.Call, Any] = {**text.reductions, **text.requests}
    places = {(call.lineno, call.col_offset): one for call, one in asked.items()}

    def marked(node: ast.Call) -> ast.expr:
        one = places.get((node.lineno, node.col_offset))
        if one is None:
            return node
        if isinstance(one, Request):
            told = node.args if one.kind == "noise" else node.args[:1]
            words = [ast.Constant(one.name), *told]
            return ast.Call(ast.Name(_REQUEST, ast.Load()), words, [])
        if one.over == "all":
            words = [ast.Constant(one.name), ast.Constant(one.kind)]
            return ast.Call(ast.Name(_KNOWN, ast.Load()), [*words, node.args[0]], [])
        first, *rest = node.args
        made = ast.Call(ast.Name(_WHOLE, ast.Load()), [first], [])
        if is_stack and one.over in AXES:
            words = [ast.Constant(one.kind), made, ast.Constant(one.over)]
            return ast.Call(ast.Name(_STACKS, ast.Load()), words, [])
        return ast.Call(node.func, [made, *rest], [])

    words = {_KNOWN: of_all, _REQUEST: request, _WHOLE: whole}
    words |= {_TRANSPOSED: transposed, _STACKS: in_stacks}
    run = _Walk(words, marked)
    return run.function(text.source, table)


class _Walk:
    """One walk through a function and those that it calls."""

    def __init__(self, words: Mapping[str, Any], marked: Callable[[ast.Call], ast.expr]) -> None:
        self._words, self._marked = words, marked

    def function(self, source: Source, table: Mapping[str, Any]) -> tuple[list[Line], Any]:
        """The lines of a function, what it returns among them if that is worked out, and its
        value."""
        outside = inspect.getclosurevars(source.function).nonlocals
        names = {**source.function.__globals__, **outside, **self._words, **table}
        lines = self._block(source, source.body, names, 0)
        result, last = self._value(source, source.result, names)
        if not all(isinstance(one, ast.Name) for one in source.results):
            last.text = f"return {last.text}"
            lines.append(last)
        return lines, result

    def _block(
        self, source: Source, body: Sequence[ast.stmt], names: dict[str, Any], depth: int
    ) -> list[Line]:
        lines: list[Line] = []
        for statement in body:
            if isinstance(statement, ast.If):
                lines += self._branch(source, statement, names, depth)
            elif isinstance(statement, ast.Assign):
                lines.append(self._assign(source, statement, names, depth))
        return lines

    def _branch(
        self, source: Source, statement: ast.If, names: dict[str, Any], depth: int
    ) -> list[Line]:
        value, line = self._value(source, statement.test, names)
        line.text, line.depth, line.taken = f"if {line.text}", depth, bool(value)
        side = statement.body if line.taken else statement.orelse
        is_elif = not line.taken and len(side) == 1 and isinstance(side[0], ast.If)
        return [line, *self._block(source, side, names, depth if is_elif else depth + 1)]

    def _assign(
        self, source: Source, statement: ast.Assign, names: dict[str, Any], depth: int
    ) -> Line:
        value, line = self._value(source, statement.value, names)
        targets = ast.unparse(ast.Assign(statement.targets, ast.Constant(0), lineno=0))
        line.text, line.depth = f"{targets.removesuffix('0')}{line.text}", depth
        for target in statement.targets:
            for name, one in _given(target, value):
                names[name] = line.made[name] = one
        return line

    def _value(self, source: Source, tree: ast.expr, names: dict[str, Any]) -> tuple[Any, Line]:
        """The value of an expression, and a line with what it has read and called."""
        line = Line(ast.unparse(tree), 0)

        def called(text: str, function: Callable[..., Any], *given: Any) -> Any:
            return self._own(line, text, function, given)

        def seen(text: str, value: Any) -> Any:
            line.calls[text] = value
            return value

        scope = {**names, _CALLED: called, _SEEN: seen}
        prepared = _Prepared(names, self._marked).visit(copy.deepcopy(tree))
        code = compile(ast.fix_missing_locations(ast.Expression(prepared)), source.title, "eval")
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and not callable(names.get(node.id)) and node.id in names:
                line.read[node.id] = names[node.id]
        return eval(code, scope), line

    def _own(self, line: Line, text: str, function: Callable[..., Any], given: Any) -> Any:
        source = Source.of(function, function.__name__)
        table = inspect.signature(function).bind(*given)
        table.apply_defaults()
        lines, result = self.function(source, table.arguments)
        if lines:
            line.inside.append((text, lines))
        line.calls[text] = result
        return result


class _Prepared(ast.NodeTransformer):
    """Sends the calls of the file's own functions through the walk, and marks reductions."""

    def __init__(self, names: Mapping[str, Any], marked: Callable[[ast.Call], ast.expr]) -> None:
        self._names, self._marked = names, marked

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr != "mT":
            return node
        return ast.Call(ast.Name(_TRANSPOSED, ast.Load()), [node.value], [])

    def visit_Call(self, node: ast.Call) -> ast.AST:
        text = ast.unparse(node)
        self.generic_visit(node)
        marked = self._marked(node)
        if marked is not node:
            return ast.Call(ast.Name(_SEEN, ast.Load()), [ast.Constant(text), marked], [])
        function = self._names.get(node.func.id) if isinstance(node.func, ast.Name) else None
        if not inspect.isfunction(function) or function in WORDS:
            return node
        called = ast.Name(_CALLED, ast.Load())
        return ast.Call(called, [ast.Constant(text), node.func, *node.args], [])


def _given(target: ast.expr, value: Any) -> list[tuple[str, Any]]:
    """The names of a target with their values."""
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    assert isinstance(target, ast.Tuple), "the declaration has refused any other"
    pairs = zip(target.elts, value, strict=True)
    return [pair for one, part in pairs for pair in _given(one, part)]
