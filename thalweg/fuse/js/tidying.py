"""Lines of a step made shorter: moving averages by their word, and no copies there and back.

Reading a text writes out lerp and the functions of a rule's module. To be run that is all the same;
to be read by a person it is not.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace

from thalweg import elementwise
from thalweg.fuse.js.lines import Add, If, Line, Loop, OfRows, Set, read_in, stored_in, walk
from thalweg.source import Source

__all__ = ["averaged", "tidied"]

_LERP = Source.of(elementwise.lerp, "lerp")


def averaged(tree: ast.expr) -> ast.expr:
    """`lerp(a, b, w)`, where that is what an expression is, written out."""
    found: dict[str, ast.expr] = {}
    if isinstance(tree, ast.BinOp) and _matches(tree, _LERP.result, found):
        return ast.Call(ast.Name("lerp"), [found[name] for name in _LERP.arguments], [])
    return tree


def _matches(tree: ast.AST, written: ast.AST, found: dict[str, ast.expr]) -> bool:
    """Whether syntax is of this form; `found` is what stands for the form's names."""
    if isinstance(written, ast.Name) and written.id in _LERP.arguments:
        assert isinstance(tree, ast.expr)
        return ast.dump(found.setdefault(written.id, tree)) == ast.dump(tree)
    if type(tree) is not type(written):
        return False
    if isinstance(written, ast.Name | ast.Constant):
        return ast.unparse(tree) == ast.unparse(written)
    ours, theirs = list(_parts(tree)), list(_parts(written))
    return len(ours) == len(theirs) and all(
        _matches(one, other, found) for one, other in zip(ours, theirs, strict=True)
    )


def _parts(tree: ast.AST) -> list[ast.AST]:
    return [one for one in ast.iter_child_nodes(tree) if not isinstance(one, ast.expr_context)]


def tidied(lines: list[Line], kinds: Mapping[str, str]) -> list[Line]:
    """The same lines, where a copy of an array's element that is changed and put back is the
    element itself."""
    return _tidied(lines, lines, kinds)


def _tidied(lines: list[Line], whole: Sequence[Line], kinds: Mapping[str, str]) -> list[Line]:
    found: list[Line] = []
    for line in lines:
        if isinstance(line, Loop):
            line = replace(line, body=_tidied(line.body, whole, kinds))
        elif isinstance(line, If):
            body, orelse = (_tidied(side, whole, kinds) for side in (line.body, line.orelse))
            line = replace(line, body=body, orelse=orelse)
        found.append(line)
    for start in range(len(found) - 1, -1, -1):
        end = _back(found, start, whole, kinds)
        if end is not None:
            copied = found[start]
            assert isinstance(copied, Set)
            (name,), of = copied.targets, _copied(copied)
            assert of is not None
            inner = [_renamed(one, name, of) for one in found[start + 1 : end]]
            found[start : end + 1] = inner
    return found


def _copied(line: Line) -> str | None:
    """What a line copies, if that is all that it does."""
    is_copy = isinstance(line, Set) and isinstance(line.value, ast.Name) and len(line.targets) == 1
    return line.value.id if is_copy else None  # type: ignore[union-attr]


def _back(
    lines: Sequence[Line], start: int, whole: Sequence[Line], kinds: Mapping[str, str]
) -> int | None:
    """The line that puts a copy back; None if none does, or anybody sees the difference."""
    line, of = lines[start], _copied(lines[start])
    if of is None or not isinstance(line, Set) or kinds.get(of) != kinds.get(line.targets[0]):
        return None
    (name,) = line.targets
    for end in range(start + 1, len(lines)):
        other = lines[end]
        if isinstance(other, Set) and other.targets == (of,) and _copied(other) == name:
            inside = _times(lines[start : end + 1], name)
            return end if inside == _times(whole, name) else None
        if of in read_in([other]) or of in stored_in([other]):
            return None
    return None


def _times(lines: Sequence[Line], name: str) -> int:
    """How many lines name a name."""
    single: list[list[Line]] = [[one] for one in walk(lines) if not isinstance(one, If | Loop)]
    tests: list[list[Line]] = [
        [replace(one, body=[], orelse=[])] for one in walk(lines) if isinstance(one, If)
    ]
    return sum(name in read_in(one) or name in stored_in(one) for one in [*single, *tests])


def _renamed(line: Line, old: str, new: str) -> Line:
    def named(tree: ast.expr) -> ast.expr:
        return Renaming().visit(tree)  # type: ignore[no-any-return]

    class Renaming(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return ast.Name(new) if node.id == old else node

    def all_of(lines: list[Line]) -> list[Line]:
        return [_renamed(one, old, new) for one in lines]

    if isinstance(line, Loop):
        return replace(line, body=all_of(line.body))
    if isinstance(line, If):
        return If(line.part, named(line.test), all_of(line.body), all_of(line.orelse))
    if isinstance(line, Set):
        targets = tuple(new if one == old else one for one in line.targets)
        return Set(line.part, targets, named(line.value))
    assert isinstance(line, Add | OfRows)
    target = new if line.target == old else line.target
    return replace(line, target=target, value=named(line.value))
