"""What is worked out before a step: the lines of an `update` on numbers, made a function.

It gives the way each `if` goes, the numbers that elements are computed with, and the kept numbers
as they are after the step.
"""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from thalweg import elementwise
from thalweg.source import names_in
from thalweg.text import GIVEN, STREAMS, Level, Text

__all__ = [
    "GIVEN",
    "Decide",
    "certain",
    "decider",
    "decisive",
    "reached",
    "script_of",
    "value_of",
    "words",
]

# what a whole number may be computed by
_COUNTED = (ast.Name, ast.Load, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.FloorDiv)
_SHAPES = {
    "ndim": "ndim = len(shape)",
    "rows": "rows = shape[0] if shape else 1",
    "columns": "columns = prod_(shape[1:])",
}

# (settings, t, first, shape, kept numbers) -> (ways, numbers, kept numbers)
Decide = Callable[
    [Any, int, bool, tuple[int, ...], Sequence[Any]],
    tuple[tuple[bool | None, ...], tuple[Any, ...], tuple[Any, ...]],
]


def _quick(word: str, of_float: Callable[[float], float]) -> Callable[..., Any]:
    """A word of the language on Python's floats, in a tenth of the time; on all else as it is."""
    function: Callable[..., Any] = getattr(elementwise, word)

    def apply(value: Any) -> Any:
        return of_float(value) if type(value) is float else function(value)

    return apply


def _where(condition: Any, a: Any, b: Any) -> Any:
    """The same of `where`."""
    known = {float, bool}
    if type(a) in known and type(b) in known and type(condition) in known:
        return float(a if condition else b)
    return elementwise.where(condition, a, b)


def _quick_of_two(word: str, of_floats: Callable[[float, float], float]) -> Callable[..., Any]:
    """The same of a word that is also asked about counts; a float all the same."""
    function: Callable[..., Any] = getattr(elementwise, word)
    known = {float, int}

    def apply(a: Any, b: Any) -> Any:
        return of_floats(float(a), float(b)) if {type(a), type(b)} <= known else function(a, b)

    return apply


_WORDS = {n: getattr(elementwise, n) for n in elementwise.PRIMITIVES + elementwise.COMPOSITES}
_WORDS["abs"] = _quick("abs", abs)
_WORDS["sqrt"] = _quick("sqrt", lambda x: math.sqrt(x) if x >= 0 else math.nan)
_WORDS["where"] = _where
_WORDS["maximum"] = _quick_of_two("maximum", lambda a, b: a if a > b or a != a else b)
_WORDS["minimum"] = _quick_of_two("minimum", lambda a, b: a if a < b or a != a else b)


def words() -> dict[str, Any]:
    """What the lines of that function call, by its name there, but for `failed_`."""
    return {**_WORDS, "prod_": math.prod, "bool_": bool}


def decider(text: Text, settings: Sequence[str], cells: Sequence[str], title: str) -> Decide:
    """The function for one `update`; `cells` are its kept numbers, in the order they are given."""
    lines = script_of(text, settings, cells)
    scope = words()

    def failed(error: ArithmeticError) -> ArithmeticError:
        assert error.__traceback__ is not None
        line = lines[error.__traceback__.tb_lineno - 1].strip()
        return type(error)(f"{title}: {error} in `{line}`, with these settings")

    scope |= {"failed_": failed, "power_": _power}
    tree = _Powers().visit(ast.parse("\n".join(lines)))
    exec(compile(ast.fix_missing_locations(tree), f"<{title}, before the step>", "exec"), scope)
    made: Decide = scope["decide"]
    return made


def _power(a: Any, b: Any) -> Any:
    """a ** b; Python's numbers would become complex where NumPy's are none."""
    found = a**b
    if type(found) is complex:
        raise ArithmeticError(f"{a} to the power of {b} is no real number")
    return found


class _Powers(ast.NodeTransformer):
    """Powers that may be complex, as calls; those of a count, the usual ones, stay as they are."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        parts = list(ast.walk(node.right))
        names = {one.id for one in parts if isinstance(one, ast.Name)}
        is_whole = names <= {"t", *_SHAPES} and all(
            isinstance(one, _COUNTED)
            or (isinstance(one, ast.Constant) and isinstance(one.value, int))
            for one in parts
        )
        if not isinstance(node.op, ast.Pow) or is_whole:
            return node
        return ast.Call(ast.Name("power_", ast.Load()), [node.left, node.right], [])


def script_of(text: Text, settings: Sequence[str], cells: Sequence[str]) -> list[str]:
    """The lines of that function, for who runs them elsewhere: over its arguments, the words of the
    language, and `bool_`, `prod_` and `failed_`, which only say what is Python's."""
    return _Script(text, settings, cells).lines()


class _Script:
    """Writes the function. Its own names end in an underscore, or are nobody's."""

    def __init__(self, text: Text, settings: Sequence[str], cells: Sequence[str]) -> None:
        self.text, self.settings, self.cells = text, settings, cells
        self._lines: list[str] = []

    def lines(self) -> list[str]:
        """The text of the function."""
        taken = self.text.source.arguments
        ways = [f"way{i}_" for i in range(len(self.text.decisions))]
        fresh = [n for n in self.text.number_names if n not in self.text.held]
        self._lines = ["def decide(h_, t, first, shape, cells_):"]
        self._lines += ["    try:"]
        self._lines += [f"        {name} = h_.{name}" for name in self.settings if name in taken]
        self._lines += [f"        {line}" for name, line in _SHAPES.items() if name in taken]
        if self.cells:
            self._lines.append(f"        {_tuple(self.cells)} = cells_")
        self._lines += [f"        {way} = None" for way in ways]
        self._lines += [f"        {name} = 0.0" for name in fresh]
        self._block(self.text.body, "        ")
        kept = [n if self._is_known(n) else "None" for n in self.cells]
        parts = map(_tuple, (ways, self.text.number_names, kept))
        self._lines.append(f"        return {', '.join(parts)}")
        self._lines += [
            "    except ArithmeticError as error_:",
            "        raise failed_(error_) from None",
        ]
        return self._lines

    def _is_known(self, cell: str) -> bool:
        return self.text.levels.get(cell, Level.STEP) == Level.STEP

    def _block(self, body: Sequence[ast.stmt], indent: str) -> None:
        for statement in body:
            if statement in self.text.before:
                self._lines += [indent + line for line in ast.unparse(statement).splitlines()]
            elif isinstance(statement, ast.If):
                self._branch(statement, indent)
            elif isinstance(statement, ast.Assign):
                self._capture(statement.value, indent)

    def _branch(self, statement: ast.If, indent: str) -> None:
        way = self.text.decisions.get(statement)
        if way is None:  # on a number that is measured: either side may be taken
            self._capture(statement.test, indent)
            self._lift(statement, "before", indent)
            self._block(statement.body, indent)
            self._block(statement.orelse, indent)
            return
        self._lines.append(f"{indent}way{way}_ = bool_({ast.unparse(statement.test)})")
        for where, body, opening in (
            ("body", statement.body, f"if way{way}_:"),
            ("orelse", statement.orelse, "else:"),
        ):
            self._side(opening, indent, functools.partial(self._one_side, statement, where, body))

    def _one_side(
        self, statement: ast.If, where: str, body: Sequence[ast.stmt], indent: str
    ) -> None:
        self._block(body, indent)
        self._lift(statement, where, indent)

    def _lift(self, statement: ast.If, where: str, indent: str) -> None:
        for name, number in self.text.lifted.get((statement, where), ()):
            self._lines.append(f"{indent}{number} = {name}")

    def _side(self, opening: str, indent: str, write: Callable[[str], None]) -> None:
        """One side of an `if`, if anything is worked out there."""
        self._lines.append(indent + opening)
        at = len(self._lines)
        write(indent + "    ")
        if len(self._lines) == at:
            self._lines.pop()
            if opening != "else:":
                self._lines.append(f"{indent}{opening} pass")

    def _capture(self, tree: ast.expr, indent: str) -> None:
        """Work out the numbers that an expression on elements takes, where it takes them."""
        name = self.text.numbers.get(tree)
        if name is not None:
            line = f"{indent}{name} = {ast.unparse(tree)}"
            if name not in self.text.held and line not in self._lines:
                self._lines.append(line)
            return
        way = self.text.decisions.get(tree)
        if way is None:
            for part in ast.iter_child_nodes(tree):
                if isinstance(part, ast.expr):
                    self._capture(part, indent)
            return
        assert isinstance(tree, ast.IfExp)
        self._lines.append(f"{indent}way{way}_ = bool_({ast.unparse(tree.test)})")
        for part, opening in ((tree.body, f"if way{way}_:"), (tree.orelse, "else:")):
            self._side(opening, indent, functools.partial(self._capture, part))


def _tuple(names: Sequence[str]) -> str:
    return f"({', '.join(names)}{',' * (len(names) == 1)})"


def certain(body: Sequence[ast.stmt]) -> set[str]:
    """The names that are read or given a value whichever way the `if`s of a text go."""
    found: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.If):
            found |= names_in(statement.test)
            found |= certain(statement.body) & certain(statement.orelse)
        elif isinstance(statement, ast.Assign):
            found |= names_in(statement.targets[0]) | _certain_in(statement.value)
    return found


def _certain_in(tree: ast.AST) -> set[str]:
    if isinstance(tree, ast.IfExp):
        sides = _certain_in(tree.body) & _certain_in(tree.orelse)
        return _certain_in(tree.test) | sides
    found = names_in(tree) if isinstance(tree, ast.Name) else set()
    for part in ast.iter_child_nodes(tree):
        found |= _certain_in(part)
    return found


def reached(text: Text, known: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """The names that are read or given a value, and those that are given one, where these numbers
    are known and all others may be anything."""
    walk = _Reached(dict(known))
    walk.block(text.body)
    return walk.found | walk.changed, walk.changed


def decisive(text: Text) -> set[str]:
    """The names on whose values it depends which way the `if`s go, through other names too."""
    nodes = [node for statement in text.body for node in ast.walk(statement)]
    tests = [node.test for node in nodes if isinstance(node, ast.If | ast.IfExp)]
    found = {name for test in tests for name in names_in(test)}
    lines = [node for node in nodes if isinstance(node, ast.Assign)]
    while True:
        more = {n for one in lines if names_in(one.targets[0]) & found for n in names_in(one.value)}
        if more <= found:
            return found
        found |= more


def value_of(tree: ast.expr, known: Mapping[str, Any]) -> tuple[bool, Any]:
    """Whether the value of an expression is known where these names are, and if so which it is."""
    return _Reached(dict(known))._value(tree)


class _Reached:
    """Follows a text along the ways that are open."""

    def __init__(self, known: dict[str, Any]) -> None:
        self.known = known
        self.found: set[str] = set()
        self.changed: set[str] = set()

    def block(self, body: Sequence[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, ast.If):
                self._branch(statement)
            elif isinstance(statement, ast.Assign):
                self._assign(statement)

    def _assign(self, statement: ast.Assign) -> None:
        (target,) = statement.targets
        self._read(statement.value)
        names = [n.id for n in ast.walk(target) if isinstance(n, ast.Name)]
        self.changed |= set(names)
        is_known, value = self._value(statement.value)
        if is_known and isinstance(target, ast.Name) and target.id not in STREAMS:
            self.known[target.id] = value
        elif is_known and isinstance(target, ast.Tuple):
            self.known |= dict(zip(names, value, strict=True))
        else:
            for name in names:
                self.known.pop(name, None)

    def _branch(self, statement: ast.If) -> None:
        self._read(statement.test)
        is_known, value = self._value(statement.test)
        if is_known:
            self.block(statement.body if value else statement.orelse)
            return
        before = dict(self.known)
        self.block(statement.body)
        one, self.known = self.known, before
        self.block(statement.orelse)
        both = self.known.keys() & one.keys()
        self.known = {n: one[n] for n in both if one[n] == self.known[n]}

    def _read(self, tree: ast.expr) -> None:
        if isinstance(tree, ast.IfExp):
            self._read(tree.test)
            is_known, value = self._value(tree.test)
            if not is_known or value:
                self._read(tree.body)
            if not is_known or not value:
                self._read(tree.orelse)
            return
        if isinstance(tree, ast.Name):
            self.found.add(tree.id)
        for part in ast.iter_child_nodes(tree):
            if isinstance(part, ast.expr) and not (
                isinstance(tree, ast.Call) and part is tree.func
            ):
                self._read(part)

    def _value(self, tree: ast.expr) -> tuple[bool, Any]:
        """Whether the value of an expression is known, and if so which it is.

        Of `a and b` one that is false is enough, of `a or b` one that is true.
        """
        if isinstance(tree, ast.BoolOp):
            deciding = isinstance(tree.op, ast.Or)
            found = [self._value(part) for part in tree.values]
            if any(is_known and bool(value) is deciding for is_known, value in found):
                return True, deciding
            return all(is_known for is_known, _ in found), not deciding
        called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call)}  # type: ignore[attr-defined]
        if not (names_in(tree) <= self.known.keys() and called <= _WORDS.keys()):
            return False, None
        code = compile(ast.Expression(tree), "<settings>", "eval")
        try:
            return True, eval(code, dict(_WORDS), self.known)
        except ArithmeticError:
            return False, None
