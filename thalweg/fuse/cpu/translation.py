"""A kernel's text to LLVM's language: the small part of Python that kernels are written in.

A name has one type from an assignment to the next. Each is kept in a place on the stack, from where
LLVM takes it into registers. What a kernel is written with is known to hold: whatever else stands
in a text is refused with its line.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeGuard

from llvmlite import ir

from thalweg.fuse.cpu.arithmetic import (
    binary,
    by_reciprocal,
    compared,
    joined,
    negative,
    power,
    smaller,
)
from thalweg.fuse.cpu.word import BOOL, DOUBLE, INTEGER, Word, brought

__all__ = ["translated"]

# What may be done to numbers but for their order in a sum. Not the full set: NaN and infinity must
# stay what they are.
_FREEDOMS = ("contract", "nsz")
_FREE = frozenset(["fadd", "fsub", "fmul", "fdiv", "frem", "fcmp"])

Place = Any  # where a name is kept: an `alloca`, or a tuple of places


def translated(text: str, arguments: int) -> ir.Module:
    """The function `kernel` of a text, which takes so many integers, as a module of LLVM's."""
    *head, body = ast.parse(text).body
    if not isinstance(body, ast.FunctionDef) or len(body.args.args) != arguments:
        raise TypeError(f"a kernel's text must end in a function of {arguments} arguments")
    words: dict[str, Any] = {}
    exec(compile(ast.Module(head, []), "<kernel>", "exec"), words)
    module = ir.Module("thalweg")
    kind = ir.FunctionType(ir.VoidType(), [INTEGER] * arguments)
    function = ir.Function(module, kind, "kernel")
    _Translator(function, words).run(body)
    _free(module)
    return module


def _free(module: ir.Module) -> None:
    """Mark what may be contracted, but for what was marked with less."""
    for function in module.functions:
        for block in function.blocks:
            for one in block.instructions:
                if one.opname in _FREE and not one.flags:
                    one.flags.extend(_FREEDOMS)
                elif isinstance(one, ir.CallInstr) and one.type in (ir.FloatType(), DOUBLE):
                    one.fastmath.update(_FREEDOMS)


@dataclass(frozen=True)
class _Loop:
    """Where `continue` and `break` lead."""

    again: ir.Block
    out: ir.Block


class _Translator:
    """Writes the instructions of one function."""

    def __init__(self, function: ir.Function, words: Mapping[str, Any]) -> None:
        self._words = words
        self._places: dict[str, Place] = {}
        self._known: set[str] = set()  # what a word that says so gave its value
        self._loops: list[_Loop] = []
        self._function = function
        self._builder = ir.IRBuilder(function.append_basic_block("entry"))

    def run(self, body: ast.FunctionDef) -> None:
        """The whole function."""
        for argument, value in zip(body.args.args, self._function.args, strict=True):
            self._assign(argument.arg, value)
        self._block(body.body)
        if not self._builder.block.is_terminated:
            self._builder.ret_void()

    def _block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            if self._builder.block.is_terminated:
                return  # nobody gets behind a `break`
            try:
                write: Callable[[Any], None] = getattr(self, f"_{type(statement).__name__}")
                write(statement)
            except (TypeError, AttributeError, KeyError) as error:
                if hasattr(error, "is_told"):
                    raise
                line = ast.unparse(statement).split("\n")[0]
                told = TypeError(f"a kernel cannot be compiled at {line!r}: {error}")
                told.is_told = True  # type: ignore[attr-defined]
                raise told from error

    # statements, by the names of their classes

    def _Pass(self, _: ast.Pass) -> None:
        pass

    def _Expr(self, node: ast.Expr) -> None:
        self._value(node.value)

    def _Assign(self, node: ast.Assign) -> None:
        value = self._value(node.value)
        self._note(node)
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(value, tuple):
                for one, part in zip(target.elts, value, strict=True):
                    self._assign(self._name(one), part)
            else:
                self._assign(self._name(target), value)

    def _note(self, node: ast.Assign) -> None:
        names = {one.id for target in node.targets for one in ast.walk(target) if _is_name(one)}
        called = self._found(node.value.func) if isinstance(node.value, ast.Call) else None
        is_known = isinstance(called, Word) and called.is_known
        self._known = self._known | names if is_known else self._known - names

    def _AugAssign(self, node: ast.AugAssign) -> None:
        name = self._name(node.target)
        more = self._value(node.value)
        self._assign(name, binary(self._builder, node.op, self._read(name), more))

    def _If(self, node: ast.If) -> None:
        test, before = self._test(node.test), dict(self._places)
        sides = [self._function.append_basic_block() for _ in range(2)]
        self._builder.cbranch(test, *sides)
        ends: list[tuple[ir.Block, dict[str, Place]]] = []
        for block, statements in zip(sides, (node.body, node.orelse), strict=True):
            self._builder.position_at_end(block)
            self._places = dict(before)
            self._block(statements)
            if not self._builder.block.is_terminated:
                ends.append((self._builder.block, self._places))
        if not ends:
            return
        self._places = self._met(ends)
        after = self._function.append_basic_block()
        for block, _ in ends:
            self._builder.position_at_end(block)
            self._builder.branch(after)
        self._builder.position_at_end(after)

    def _While(self, node: ast.While) -> None:
        if node.orelse:
            raise TypeError("a loop has no `else`")
        again, body, out = (self._function.append_basic_block() for _ in range(3))
        self._builder.branch(again)
        self._builder.position_at_end(again)
        self._builder.cbranch(self._test(node.test), body, out)
        self._builder.position_at_end(body)
        self._run_loop(node.body, _Loop(again, out))
        self._builder.position_at_end(out)

    def _For(self, node: ast.For) -> None:
        """`for i in range(...)`: the counter is nobody else's."""
        builder, call = self._builder, node.iter
        if not isinstance(call, ast.Call) or self._found(call.func) is not range or node.orelse:
            raise TypeError("a loop goes over range(...), and has no `else`")
        first, last, step = self._range(call)
        counter = self._new(INTEGER)
        builder.store(first, counter)
        again, body, more, out = (self._function.append_basic_block() for _ in range(4))
        builder.branch(again)
        builder.position_at_end(again)
        at = builder.load(counter)
        builder.cbranch(builder.icmp_signed("<", at, last), body, out)
        builder.position_at_end(body)
        before = dict(self._places)
        self._assign(self._name(node.target), at)
        self._run_loop(node.body, _Loop(more, out))
        builder.position_at_end(more)
        builder.store(builder.add(builder.load(counter), step, flags=("nsw",)), counter)
        builder.branch(again)
        builder.position_at_end(out)
        self._places = before

    def _range(self, call: ast.Call) -> list[Any]:
        """Where a loop starts and ends, and its step."""
        bounds = [brought(self._builder, self._value(one), INTEGER) for one in call.args]
        steps = [one.value for one in call.args[2:] if isinstance(one, ast.Constant)]
        if len(bounds) == 3 and not (steps and isinstance(steps[0], int) and steps[0] > 0):
            raise TypeError("a loop's step must be a number above 0")
        return {
            1: [INTEGER(0), *bounds, INTEGER(1)],
            2: [*bounds, INTEGER(1)],
            3: bounds,
        }[len(bounds)]

    def _run_loop(self, statements: list[ast.stmt], loop: _Loop) -> None:
        """A loop's lines; what they name for the first time is forgotten behind them."""
        before = dict(self._places)
        self._loops.append(loop)
        self._block(statements)
        self._loops.pop()
        if not self._builder.block.is_terminated:
            self._check_unmoved(before)
            self._builder.branch(loop.again)
        self._places = before

    def _check_unmoved(self, before: Mapping[str, Place]) -> None:
        for name, place in before.items():
            if self._places[name] is not place:
                raise TypeError(f"{name} is of another type after a round of a loop than before")

    def _Break(self, _: ast.Break) -> None:
        self._builder.branch(self._loops[-1].out)

    def _Continue(self, _: ast.Continue) -> None:
        self._builder.branch(self._loops[-1].again)

    # names

    def _name(self, target: ast.expr) -> str:
        if not isinstance(target, ast.Name):
            raise TypeError("a name was expected on the left")
        return target.id

    def _new(self, kind: Any) -> Any:
        """A place on the stack."""
        with self._builder.goto_entry_block():
            return self._builder.alloca(kind)

    def _assign(self, name: str, value: Any) -> None:
        """Keep a value under a name; where it is of another type than before, in another place."""
        if isinstance(value, tuple):
            self._places[name] = tuple(self._kept(None, part) for part in value)
        else:
            self._places[name] = self._kept(self._places.get(name), value)

    def _kept(self, place: Place, value: Any) -> Place:
        if value is None:
            raise TypeError("what is assigned has no value")
        if place is None or isinstance(place, tuple) or place.allocated_type != value.type:
            place = self._new(value.type)
        self._builder.store(value, place)
        return place

    def _read(self, name: str) -> Any:
        place = self._places[name]
        if isinstance(place, tuple):
            return tuple(self._builder.load(one) for one in place)
        return self._builder.load(place)

    def _met(self, ends: list[tuple[ir.Block, dict[str, Place]]]) -> dict[str, Place]:
        """Where names are kept behind a branch: those that all ways have given a value, in one
        place."""
        (_, first), *others = ends
        found = {}
        for name, place in first.items():
            places = [places.get(name) for _, places in others]
            if all(one is place for one in places):
                found[name] = place
            elif None not in places:
                found[name] = self._joined([place, *places], [block for block, _ in ends])
        return found

    def _joined(self, places: list[Place], blocks: list[ir.Block]) -> Place:
        kind = places[0].allocated_type
        for place in places[1:]:
            kind = joined(kind, place.allocated_type)
        both = self._new(kind)
        for place, block in zip(places, blocks, strict=True):
            self._builder.position_at_end(block)
            value = brought(self._builder, self._builder.load(place), kind)
            self._builder.store(value, both)
        return both

    # expressions

    def _test(self, node: ast.expr) -> Any:
        return brought(self._builder, self._value(node), BOOL)

    def _value(self, node: ast.expr) -> Any:
        write: Callable[[Any], Any] = getattr(self, f"_value_{type(node).__name__}")
        return write(node)

    def _value_Constant(self, node: ast.Constant) -> Any:
        return _constant(node.value)

    def _value_Name(self, node: ast.Name) -> Any:
        return self._read(node.id) if node.id in self._places else _constant(self._found(node))

    def _found(self, node: ast.expr) -> Any:
        """What the head of the text calls so, or Python."""
        name = self._name(node)
        if name in self._words:
            return self._words[name]
        with suppress(AttributeError):
            return getattr(builtins, name)
        raise TypeError(f"{name} has no value here")

    def _value_Tuple(self, node: ast.Tuple) -> Any:
        return tuple(map(self._value, node.elts))

    def _value_BinOp(self, node: ast.BinOp) -> Any:
        left = self._value(node.left)
        if isinstance(node.op, ast.Pow):
            with suppress(ValueError, TypeError):
                exponent = ast.literal_eval(node.right)
                if type(exponent) is int:
                    return power(self._builder, left, exponent)
        right = self._value(node.right)
        if isinstance(node.op, ast.Div) and _is_name(node.right) and node.right.id in self._known:
            return by_reciprocal(self._builder, left, right)
        return binary(self._builder, node.op, left, right)

    def _value_UnaryOp(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, ast.Not):
            return self._builder.not_(self._test(node.operand))
        value = self._value(node.operand)
        if isinstance(node.op, ast.USub):
            return negative(self._builder, value)
        if isinstance(node.op, ast.UAdd):
            return brought(self._builder, value, INTEGER) if value.type == BOOL else value
        if isinstance(node.op, ast.Invert) and value.type in (BOOL, INTEGER):
            return self._builder.not_(value)
        raise TypeError(f"{type(node.op).__name__} is not known of {value.type}")

    def _value_Compare(self, node: ast.Compare) -> Any:
        values = [*map(self._value, (node.left, *node.comparators))]
        found = None
        for operator, a, b in zip(node.ops, values, values[1:], strict=False):
            one = compared(self._builder, operator, a, b)
            found = one if found is None else self._builder.and_(found, one)
        return found

    def _value_BoolOp(self, node: ast.BoolOp) -> Any:
        """A truth. What stands behind one that decides is not looked at if it reads memory."""
        is_and, found = isinstance(node.op, ast.And), self._test(node.values[0])
        for more in node.values[1:]:
            if not _reads(more):
                join = self._builder.and_ if is_and else self._builder.or_
                found = join(found, self._test(more))
                continue
            place = self._new(BOOL)
            self._builder.store(found, place)
            with self._builder.if_then(found if is_and else self._builder.not_(found)):
                self._builder.store(self._test(more), place)
            found = self._builder.load(place)
        return found

    def _value_IfExp(self, node: ast.IfExp) -> Any:
        test, a, b = self._test(node.test), self._value(node.body), self._value(node.orelse)
        kind = joined(a.type, b.type)
        a, b = brought(self._builder, a, kind), brought(self._builder, b, kind)
        return self._builder.select(test, a, b)

    def _value_Call(self, node: ast.Call) -> Any:
        called, values = self._found(node.func), [*map(self._value, node.args)]
        called = smaller if called is min else called
        if not isinstance(called, Word) or node.keywords:
            raise TypeError(f"{ast.unparse(node)} calls no word of a kernel, or by keywords")
        return called(self._builder, *values)


def _is_name(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name)


def _reads(node: ast.expr) -> bool:
    return any(isinstance(one, ast.Call) for one in ast.walk(node))


def _constant(value: Any) -> Any:
    if isinstance(value, bool):
        return ir.Constant(BOOL, value)
    if isinstance(value, int):
        return ir.Constant(INTEGER, value)
    if isinstance(value, float):
        return ir.Constant(DOUBLE, value)
    raise TypeError(f"{value!r} is no number")
