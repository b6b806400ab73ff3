"""What lines depend on: what a pass must compute for what it keeps, and what must lie in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from thalweg.fuse.lowering import Ask, Assign, Branch, MatrixLine, Node, targets
from thalweg.source import names_in

__all__ = ["needed_for", "pruned", "swept_for"]


def needed_for(nodes: list[Node], keep: set[str]) -> set[str]:
    """Every name that the names in `keep` depend on, themselves included; a reduction is taken in
    a pass of its own, or before its row, and what it needs is not needed here."""
    live = set(keep)
    before = -1
    while before != len(live):
        before = len(live)
        _grow(nodes, live)
    return live


def _grow(nodes: list[Node], live: set[str]) -> None:
    for node in reversed(nodes):
        if isinstance(node, Branch):
            if targets([node]) & live:
                live |= names_in(node.test)
                _grow(node.body, live)
                _grow(node.orelse, live)
        elif isinstance(node, Assign) and node.target in live:
            live |= names_in(node.value)


def pruned(nodes: Sequence[Node], keep: Collection[str]) -> tuple[list[Node], set[str]]:
    """The lines that the names in `keep` have their last values from, without reductions; and the
    names that must have a value before them."""
    live = set(keep)
    kept: list[Node] = []
    for node in reversed(nodes):
        if isinstance(node, Branch):
            (body, one), (orelse, other) = pruned(node.body, live), pruned(node.orelse, live)
            if body or orelse:
                kept.append(Branch(node.test, body, orelse))
                live = one | other | names_in(node.test)
        elif isinstance(node, Assign) and node.target in live:
            kept.append(node)
            live = (live - {node.target}) | names_in(node.value)
    return kept[::-1], live


def swept_for(nodes: Sequence[Node], line: MatrixLine) -> set[str]:
    """Every name that passes in front of a line read for what it takes: through lines on elements
    and numbers and through reductions, but not those that it takes as they are."""
    taken, live = names_in(line.value), set[str]()
    for node in reversed(nodes):
        if not isinstance(node, MatrixLine | Ask) and targets([node]) & (taken | live):
            live |= _read(node)
    return live


def _read(node: Node) -> set[str]:
    """The names that a node reads."""
    if isinstance(node, Branch):
        return names_in(node.test).union(*map(_read, [*node.body, *node.orelse]))
    return names_in(node.value)  # type: ignore[union-attr]
