"""What to say to the author of a rule about a name that cannot be used where it stands."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Collection
from typing import Any

from thalweg.settings import Setting
from thalweg.source import unknown

__all__ = [
    "WRAPPED",
    "as_setting",
    "for_arguments",
    "for_attribute",
    "for_expression",
    "for_name",
    "for_outside",
    "for_statement",
    "may_be_needed",
    "nameless",
]


def for_name(cls: Any, name: str, known: list[str]) -> str:
    """Of a name that `update` takes and cannot have."""
    value = getattr(cls, name, None)
    if isinstance(value, bool | int | float | str | tuple):
        return (
            f"{name!r} is a plain attribute; as a setting it is written `{as_setting(name, value)}`"
        )
    if value is not None and name not in vars(object) and not callable(value):
        return f"{name!r} has the default {value!r}, which is no number, tuple or truth value"
    if any(name in vars(base).get("__annotations__", {}) for base in cls.__mro__):
        return f"{name!r} has a type and no default; write `{name}: float = ...` with one"
    return unknown(name, known) + _MEANT.get(name, "")


_MEANT = {
    "h": "; take each setting by its name",
    "shape": "; take ndim, rows or columns",
    "step": "; the number of the step is t",
    "self": "; update belongs to no instance: put @staticmethod above it, and leave self out",
    "cls": "; update belongs to no class: put @staticmethod above it, and leave cls out",
}


def may_be_needed(cls: Any, name: str) -> bool:
    """Whether a name that a stage takes may be a setting of another part."""
    own = any(name in (*vars(b), *vars(b).get("__annotations__", {})) for b in cls.__mro__)
    return name not in _MEANT and not own


def for_attribute(name: str, value: Any, inherited: bool, annotated: bool) -> str:
    """Of a class attribute that looks like a setting and is none; empty if it may stay."""
    is_open = isinstance(value, Setting) and not value.choices
    if is_open and isinstance(value.default, str):
        value, annotated = value.default, True
    if annotated and isinstance(value, str):
        return f"text needs the choices there are; write `{as_setting(name, value)}`"
    if annotated and isinstance(value, list):
        return f"several numbers are a tuple; write `{as_setting(name, tuple(value))}`"
    if inherited and not annotated and isinstance(value, bool | int | float | str | tuple):
        return f"a setting needs its type; write `{as_setting(name, value)}`"
    return ""


def nameless(given: Any) -> str:
    """What to say where the first argument of `chain` is no name."""
    got = given.__name__ if isinstance(given, type) else repr(given)
    example = got if isinstance(given, type) else "Adam"
    return (
        f"chain: its first argument must be the optimizer's name, got {got}; "
        f'write chain("Mine", {example})'
    )


def as_setting(name: str, value: Any) -> str:
    """How a setting with this default is declared."""
    if isinstance(value, str):
        return f"{name}: str = setting({value!r}, choices=({value!r}, ...))"
    if isinstance(value, tuple):
        return f"{name}: tuple[{', '.join(type(one).__name__ for one in value)}] = {value!r}"
    return f"{name}: {type(value).__name__} = {value!r}"


WRAPPED = (
    "is wrapped by another function, which is not looked into; leave out what is above its `def`"
)


def for_arguments(function: Any, is_update: bool) -> str:
    """Of how a function takes its arguments; empty if they can be given as they stand."""
    if is_update and hasattr(function, "__wrapped__"):
        return WRAPPED
    refused: dict[Any, str] = {inspect.Parameter.POSITIONAL_ONLY: "/"}
    if not is_update:
        refused[inspect.Parameter.KEYWORD_ONLY] = "*"
    for one in inspect.signature(function).parameters.values():
        is_open = one.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        if is_open or one.kind in refused:
            sign = str(one) if is_open else refused[one.kind]
            return f"must name each of its arguments; leave out the `{sign}`"
        if one.default is not one.empty:
            name = one.name
            more = f"; a setting is declared in the class, `{as_setting(name, one.default)}`"
            return f"{name!r} has a default, which is not read" + (more if is_update else "")
    return ""


def for_statement(statement: ast.stmt) -> str:
    """Of a line that is neither an assignment nor an `if`."""
    if isinstance(statement, ast.AugAssign):
        name = ast.unparse(statement.target)
        return f"would change {name} in place, which may be the caller's; use {name} = ..."
    if isinstance(statement, ast.AnnAssign):
        target, value = ast.unparse(statement.target), statement.value
        return f"says a type, which is not read; write `{target} = {_text(value)}`"
    if isinstance(statement, ast.Return):
        return "may only return at its end; give a name its value on each way, and return that"
    if isinstance(statement, ast.Expr):
        said = f"`{ast.unparse(statement.value)}` gives no name a value; what stands here "
        return said + "must be `name = ...` or an `if`"
    if isinstance(statement, ast.FunctionDef):
        return "a function stands in the module, above the class, and not here"
    word = ast.unparse(statement).split()[0].rstrip(":")
    return f"{word!r} is not an assignment or an `if`"


def _text(value: ast.expr | None) -> str:
    return ast.unparse(value) if value is not None else "..."


def for_expression(tree: ast.expr, local: Collection[str] = ()) -> str:
    """Of something that is no arithmetic on elements; empty if it may be."""
    written = ast.unparse(tree)
    if isinstance(tree, ast.Attribute):
        if written.partition(".")[0] in local:
            hint = "; take ndim, rows or columns" if tree.attr in ("shape", "ndim") else ""
            return f"`{written}` cannot be read; a text reads names alone{hint}"
        return (
            f"`{written}` cannot be read here; a number of a module gets a name of its own above "
            f"the class, such as `PI = math.pi`"
        )
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, _NO_OPERATORS):
        sign = ast.unparse(ast.BinOp(_A, tree.op, _B))
        return f"`{sign}` is not arithmetic on elements, such as + - * / // % **"
    if isinstance(tree, ast.Compare) and isinstance(tree.ops[0], ast.Is | ast.IsNot):
        if isinstance(tree.comparators[0], ast.Constant) and tree.comparators[0].value is None:
            return f"`{written}`: nothing is None here; `first` says whether the states are new"
        return f"`{written}` asks for the same object; compare with == or !="
    if isinstance(tree, ast.Compare) and isinstance(tree.ops[0], ast.In | ast.NotIn):
        return f"`{written}` is not arithmetic; compare with each, `a == b or a == c`"
    if isinstance(tree, ast.NamedExpr):
        return f"`{written}` gives a name a value in mid-line; write a line for it"
    if isinstance(tree, ast.Starred):
        return f"`{written}`: write each one by itself"
    if isinstance(tree, ast.Lambda):
        return "a lambda is not looked into; write a function with `def` above the class"
    if isinstance(tree, ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp):
        return f"`{written}`: there is no loop; what stands here is done to every element"
    if not isinstance(tree, _EXPRESSIONS):
        return f"`{written}` is not arithmetic on elements"
    return ""


_A, _B = ast.Name("a", ast.Load()), ast.Name("b", ast.Load())
_NO_OPERATORS = (ast.MatMult, ast.LShift, ast.RShift, ast.BitXor)
_EXPRESSIONS = (
    *(ast.Name, ast.Constant, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp),
    *(ast.Call, ast.Tuple, ast.Subscript),
)


def for_outside(name: str, meant: Any) -> str:
    """Of a name of the module that is no number; empty where there is none."""
    if meant is None:
        return ""
    if inspect.ismodule(meant):
        return f"{name!r} is a module, and no number"
    if callable(meant):
        return f"{name!r} is a function, and no number; call it"
    hint = f"; as a setting it is written `{as_setting(name, meant)}`"
    is_setting = isinstance(meant, bool | str | tuple)
    return f"{name!r} is {meant!r} in its module, where only a number can be taken from" + (
        hint if is_setting else ""
    )
