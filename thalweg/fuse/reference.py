"""The reference engine, the oracle: every `update` run as it is written, on whole arrays.

The arrays are NumPy's or torch's, of the computation type; torch's may be under autograd.
"""

from __future__ import annotations

import ast
import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from thalweg.chain import Chain, Part
from thalweg.elementwise import Measured, where
from thalweg.matrices import MATRIX_WORDS, transposed
from thalweg.parts import sees_stack
from thalweg.reading import WORDS
from thalweg.reductions import AXES, in_stacks, summed
from thalweg.source import text_of
from thalweg.text import Level, Reduction, Request, Text
from thalweg.view import sides_of

__all__ = ["Asked", "Given", "Known", "Run", "update"]

# what all tensors were asked for, by qualified name: results of reductions, answers to requests
Known = Mapping[str, Any]


class Asked(Exception):
    """A text has come to what all tensors are asked for and is not known yet, by its qualified
    name: a reduction, to which this tensor adds `value` of `count` numbers, or a request, which
    is about `value`."""

    def __init__(self, name: str, value: Any, count: int = 0) -> None:
        super().__init__(name)
        self.name, self.value, self.count = name, value, count


@dataclass(frozen=True)
class Given:
    """What one tensor's step is run with: its settings by part, the number of the step, the parts
    whose states are new, its shape and the numbers kept with it, by key."""

    views: Sequence[SimpleNamespace]
    t: int
    first: Mapping[str, bool]
    shape: tuple[int, ...]
    cells: Mapping[str, Any]


def update(
    chain: Chain, arrays: Mapping[str, Any], given: Given, known: Known, wanted: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """One step of one tensor: its new arrays by qualified name, and its new kept numbers by key.

    Raises `Asked` where it comes to what all tensors are asked for and is not among the known. With
    one that is `wanted`, it comes to no other: Python may ask in another order than the text's.
    """
    run = Run(chain, arrays, given, known, wanted)
    for i in run.places:
        run.part(i)
    return run.finished()


class Run:
    """The arrays of one tensor on their way through a chain, and its new kept numbers."""

    def __init__(
        self, chain: Chain, arrays: Mapping[str, Any], given: Given, known: Known, wanted: str = ""
    ) -> None:
        self.chain, self.arrays, self.given = chain, dict(arrays), given
        self.known, self.wanted = known, wanted
        self.kept = {key: given.cells[key] for key in chain.cells if key != "step"}
        self.places = [i for i, h in enumerate(given.views) if h is not None]
        self._ends = chain.steps_after([None if h is None else () for h in given.views])
        if chain.on_matrices:
            self._unfold()

    def finished(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What has come of it when every part has been run."""
        if self.chain.on_matrices:
            self._fold()
        return self.arrays, self.kept

    def _unfold(self) -> None:
        """Make a matrix of the parameter and of all that goes with it."""
        is_stack = sees_stack([self.chain.parts[i] for i in self.places])
        sides = sides_of(self.given.shape, is_stack)
        per = {slot.qualified: slot.state.per for slot in self.chain.slots}
        for name, array in self.arrays.items():
            one = per.get(name, "element")
            if not isinstance(one, tuple):
                self.arrays[name] = array.reshape(sides[one])

    def _fold(self) -> None:
        """Give them their own shapes back."""
        slots = {slot.qualified: slot for slot in self.chain.slots}
        for name, array in self.arrays.items():
            shape = self.given.shape
            if name in slots:
                h = self.given.views[self.chain.parts.index(slots[name].part)]
                if h is None:  # of a rule that this tensor is not for
                    continue
                shape = slots[name].state.shape(shape, h)
            self.arrays[name] = array.reshape(shape)

    def part(self, i: int) -> None:
        """Run one part's `update` on what the parts before it left, and take the step behind it."""
        part = self.chain.parts[i]
        source, declaration = part.declared.text.source, part.declared.declaration
        table = self._table(part, self.given.views[i])
        try:
            result = self._called(part, {name: table.get(name) for name in source.arguments})
        except (RuntimeError, ValueError) as error:
            if not part.declared.text.on_matrices:
                raise
            raise ArithmeticError(f"{self.chain.name}: {source.title}: {error}") from error
        values = result if isinstance(result, tuple) else (result,)
        for name, value in zip(source.returned, values, strict=True):
            if name in declaration.cells:
                self.kept[part.key(name, declaration.cells[name].key)] = value
            elif value is not None:
                like = self.arrays.get(part.qualified(name))
                per = declaration.states[name].per if name in declaration.states else "element"
                self.arrays[part.qualified(name)] = self._whole(value, per == "element", like)
        if i in self._ends:
            self.arrays["p"] = self.arrays["p"] - self.arrays["u"]

    def _called(self, part: Part, given: Mapping[str, Any]) -> Any:
        """What a part's `update` returns; a hook."""
        declared: Any = part.declared
        ask = functools.partial(self._of_all, part), functools.partial(self._request, part)
        return _written(declared)(*ask, self._whole, **given)

    def _table(self, part: Part, h: SimpleNamespace) -> dict[str, Any]:
        """Everything that a part's `update` may take, by its own names."""
        given, declared = self.given, part.declared.declaration
        shape = given.shape
        table = {**vars(h), "t": given.t, "first": given.first.get(part.prefix, False)}
        table |= {"ndim": len(shape), "rows": shape[0] if shape else 1}
        table["columns"] = math.prod(shape[1:])
        table |= {n: self.arrays.get(n) for n in ("p", "g", "u")}
        table |= {n: self.arrays.get(part.qualified(n)) for n in declared.arrays}
        cells = {n: given.cells[part.key(n, s.key)] for n, s in declared.cells.items()}
        return {**table, **cells}

    def _of_all(self, part: Part, name: str, kind: str, value: Any) -> Any:
        name = part.qualified(name)
        if name not in self.known and self.wanted in ("", name):
            count = math.prod(self.arrays["p"].shape)
            raise Asked(name, summed(kind, value), count)
        if name not in self.known:  # what is wanted does not depend on it
            return Measured(math.nan)
        known = self.known[name]
        return Measured(known) if type(known) is float else known

    def _request(self, part: Part, name: str, *told: Any) -> Any:
        name, p = part.qualified(name), self.arrays["p"]
        if name not in self.known:  # what is wanted stands before it, or is nothing to this tensor
            is_array = hasattr(told[0], "reshape")
            raise Asked(name, told[0].reshape(self.given.shape) if is_array else told)
        return self.known[name].reshape(p.shape)

    def _whole(self, value: Any, is_of_elements: bool = True, like: Any = None) -> Any:
        """An array, also where one number was meant for all its elements, or for a row of them."""
        p = self.arrays["p"] if like is None else like
        if isinstance(value, int | float):
            return where(p > p, value, value)
        is_less = is_of_elements and value.shape != p.shape
        return where(p > p, value, value) if is_less else value


@functools.cache
def _written(declared: Any) -> Callable[..., Any]:
    """A part's `update` as it is written, with three arguments more in front: what to ask for a
    reduction over all tensors, and what for a request, by their names in the text, and what makes
    an array of a number that is reduced, as where an `if` has decided so."""
    function, text = declared.update, declared.text
    asked = {**text.reductions, **text.requests}
    places = {(call.lineno, call.col_offset): one for call, one in asked.items()}
    if not places and not text.on_matrices:
        return lambda _of_all, _request, _whole, **given: function(**given)
    tree = ast.parse(text_of(function))
    (made,) = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))
    made.decorator_list = []
    made.args.args[:0] = [ast.arg(name) for name in ("_of_all", "_request", "_whole")]

    asking = _Asking(text, places, getattr(declared, "is_stack", False))
    tree = ast.fix_missing_locations(asking.visit(ast.Module([made], [])))
    scope = inspect.getclosurevars(function)
    names = {
        **function.__globals__,
        **scope.nonlocals,
        "_transposed": transposed,
        "_in_stacks": in_stacks,
    }
    exec(compile(tree, text.source.title, "exec"), names)
    found: Callable[..., Any] = names[made.name]
    return found


class _Asking(ast.NodeTransformer):
    """Puts questions in place of reductions over all tensors and of requests, and arrays in place
    of numbers where a word takes arrays alone."""

    def __init__(
        self, text: Text, places: Mapping[tuple[int, int], Reduction | Request], is_stack: bool
    ) -> None:
        self._source, self._places, self._is_stack = text.source, places, is_stack
        self._of_elements = {
            _place(tree) for tree, one in text.found.items() if one == Level.ELEMENT
        }

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """NumPy's arrays have had `.mT` since its second edition only."""
        is_turned = node.attr == "mT"
        return _call("_transposed", self._array(node.value)) if is_turned else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """A factor of a product of matrices."""
        if not isinstance(node.op, ast.MatMult):
            return self.generic_visit(node)
        return ast.BinOp(self._array(node.left), node.op, self._array(node.right))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        one = self._places.get((node.lineno, node.col_offset))
        if one is None:
            meant = self._source.meant_by(ast.unparse(node.func))
            is_word = inspect.isroutine(meant) and WORDS.get(meant) in MATRIX_WORDS
            if not is_word:
                return self.generic_visit(node)
            first, *others = node.args
            return ast.Call(node.func, [self._array(first), *map(self.visit, others)], [])
        if isinstance(one, Request) and one.kind == "noise":
            return _call("_request", ast.Constant(one.name), *map(self.visit, node.args))
        value, *over = node.args
        if isinstance(one, Request):
            return _call("_request", ast.Constant(one.name), self._array(value))
        array = self._array(value)
        if one.over == "all":
            return _call("_of_all", ast.Constant(one.name), ast.Constant(one.kind), array)
        if one.over in AXES and self._is_stack:
            return _call("_in_stacks", ast.Constant(one.kind), array, *over)
        return ast.Call(node.func, [array, *over], [])

    def _array(self, node: ast.expr) -> ast.expr:
        """An expression where an array must stand: of the parameter's shape, if the text has it per
        element."""
        is_of_elements = _place(node) in self._of_elements
        return _call("_whole", self.visit(node), ast.Constant(is_of_elements))


def _call(name: str, *values: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(values), [])


def _place(tree: ast.expr) -> tuple[Any, ...]:
    return tree.lineno, tree.col_offset, tree.end_lineno, tree.end_col_offset
