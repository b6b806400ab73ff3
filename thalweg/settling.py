"""What is worked out before every step, without what is the same before each: an `update` whose
settings are known, as a function of the count and the kept numbers.

It is `deciding.py`'s function, its lines dealt out: those that follow from settings and a shape run
once, the others at each step.
"""

from __future__ import annotations

import ast
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from thalweg.deciding import script_of, words
from thalweg.rule import Declared

__all__ = ["Settle", "Step", "settler"]

# (t, kept numbers) -> (ways, numbers, kept numbers)
Step = Callable[
    [int, Sequence[Any]], tuple[tuple[bool | None, ...], tuple[Any, ...], tuple[Any, ...]]
]
# (settings, shape) -> that function; neither says which line has failed
Settle = Callable[[Any, tuple[int, ...]], Step]

_known: weakref.WeakKeyDictionary[type[Declared], Settle] = weakref.WeakKeyDictionary()


def settler(declared: type[Declared]) -> Settle:
    """The function for one `update`, whose states were made before."""
    if declared not in _known:
        of = declared.declaration
        script = script_of(declared.text, [*of.settings, *of.needs], list(of.cells))
        scope = words()
        exec(compile(_dealt_out(script), f"<{declared.__name__}, settled>", "exec"), scope)
        _known[declared] = scope["settle_"]
    return _known[declared]


def _dealt_out(script: Sequence[str]) -> ast.Module:
    """The text of that function."""
    (decide,) = ast.parse("\n".join(script)).body
    assert isinstance(decide, ast.FunctionDef)
    assert isinstance(decide.body[0], ast.Try)
    body = decide.body[0].body
    moving = _moving(body)
    (settle,) = ast.parse("def settle_(h_, shape): first = False").body
    (step,) = ast.parse("def step_(t, cells_): pass").body
    assert isinstance(settle, ast.FunctionDef)
    assert isinstance(step, ast.FunctionDef)
    settle.body += [one for i, one in enumerate(body) if i not in moving]
    step.body = [one for i, one in enumerate(body) if i in moving]
    settle.body += [step, *ast.parse("return step_").body]
    return ast.fix_missing_locations(ast.Module([settle], []))


def _moving(body: Sequence[ast.stmt]) -> set[int]:
    """Which lines must run at each step: what reads the count or a kept number, itself or through
    names; what gives a name its value that another such line gives one, too; and the last."""
    reads = [_names(one, ast.Load) for one in body]
    writes = [_names(one, ast.Store) for one in body]
    names, found = {"t", "cells_"}, {len(body) - 1}
    while True:
        more = {i for i in range(len(body)) if (reads[i] | writes[i]) & names} - found
        # what a line reads, and a later one changes
        late = {
            name
            for i in found | more
            for name in reads[i]
            if any(name in writes[j] for j in range(i, len(body)) if j not in found | more)
        }
        written = {name for i in found | more for name in writes[i]}
        if not more and late | written <= names:
            return found
        found |= more
        names |= late | written


def _names(tree: ast.AST, kind: type[ast.expr_context]) -> set[str]:
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return {node.id for node in nodes if isinstance(node.ctx, kind)}
