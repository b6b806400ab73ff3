"""The equations of a docstring as HTML, for the reference of the book.

Docstrings have them as text, `p <- p - lr mhat / (sqrt(vhat) + eps)`, one below the other, with
remarks beside them. Here each line becomes a row: its formulas, and what is said of them. Words of
prose within a formula stay words.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from scripts.formulas import RELATIONS, Unreadable, formula, is_prose, tokens_of

__all__ = ["Row", "is_formula", "rows", "table"]


@dataclass
class Row:
    """A line of equations: its formulas as they stand, and what is said beside them."""

    formulas: list[str]
    remarks: list[str] = field(default_factory=list)
    goes_on: bool = False
    column: int = 0


def rows(text: str) -> list[Row]:
    """The rows of a block, remarks that go on in a line below put together."""
    lines = text.expandtabs().splitlines()
    base = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    found: list[Row] = []
    for line in filter(str.strip, lines):
        begin = len(line) - len(line.lstrip())
        parts = [(begin + at, part) for at, part in _parts(line.strip())]
        last = found[-1] if found else None
        if last is not None and _is_beside(last, begin, base, parts[0][1]):
            _add_remarks(last, [part for _, part in parts])
            continue
        if len(parts) > 1 and parts[0][1].endswith(":"):  # when all that follows is done
            found.append(Row([], [parts.pop(0)[1]], column=begin))
        formulas = [parts.pop(0)[1]]
        while parts and _goes_on(formulas[-1], parts[0][1]):
            formulas.append(parts.pop(0)[1])
        row = Row(formulas, goes_on=begin > base, column=parts[0][0] if parts else 999)
        _add_remarks(row, [part for _, part in parts])
        if not (_has_sides(formulas[0]) or (row.goes_on and _is_term(formulas[0]))):
            row = Row([], [" ".join([*formulas, *row.remarks])], column=begin)
        found.append(row)
    return found


def _is_beside(last: Row, begin: int, base: int, first: str) -> bool:
    """Whether a line goes on with what is said of the row above it."""
    if begin <= base or not last.remarks:
        return False
    if last.formulas:
        return begin >= last.column - 2
    return not (_has_sides(first) or _is_term(first))


def _parts(line: str) -> list[tuple[int, str]]:
    """What stands apart by two spaces and more, but for those in front of an arrow or a sign."""
    found, at = [], 0
    for gap in [*re.finditer(r"(?<! ) {2,}(?! |<-|=)", line), None]:
        end = len(line) if gap is None else gap.start()
        found.append((at, re.sub(r"\s+", " ", line[at:end])))
        at = end if gap is None else gap.end()
    return found


def _goes_on(before: str, part: str) -> bool:
    """Whether a part is another formula of the line and no remark on it."""
    return before[-1] in ",;" and is_formula(part) and ("<-" in part or "<-" not in before)


def _add_remarks(row: Row, parts: list[str]) -> None:
    for part in parts:
        is_new = not row.remarks or is_formula(part) or is_formula(row.remarks[-1].rstrip(",;"))
        if is_new:
            row.remarks.append(part)
        else:
            row.remarks[-1] += f" {part}"


def is_formula(text: str) -> bool:
    """Whether a text is one formula that has two sides, without a word of prose."""
    related = any(sign in text for sign in RELATIONS)
    return related and _is_term(text)


def _is_term(text: str) -> bool:
    """The same of one that may go on from the line above."""
    try:
        bare = text.rstrip(",;")
        formula(bare)
    except Unreadable:
        return False
    return not any(kind == "name" and is_prose(one) for kind, one in tokens_of(bare))


def _has_sides(text: str) -> bool:
    """Whether a text says of something what it is, be it in words."""
    try:
        (_, first), *_ = tokens = tokens_of(text.rstrip(",;:"))
        formula(text.rstrip(",;:"))
    except Unreadable:
        return False
    return not is_prose(first) and any(token in RELATIONS for _, token in tokens)


def table(text: str) -> str:
    """A block of equations as HTML."""
    return f'<div class="equations">{"".join(map(_row, rows(text)))}</div>'


def _row(row: Row) -> str:
    said = "".join(f"<span>{_shown(one)}</span>" for one in row.remarks)
    if not row.formulas:
        return f'<div class="said"><div>{said}</div></div>'
    kind = ' class="on"' if row.goes_on else ""
    math = "".join(_shown(one, display=True) for one in row.formulas)
    return f"<div{kind}><div>{math}</div><div>{said}</div></div>"


def _shown(text: str, display: bool = False) -> str:
    """A formula as MathML, prose as it is; a comma at the end stays outside."""
    if display:
        try:
            return f'<math display="block"><mrow>{formula(text.rstrip(",;"))}</mrow></math>'
        except Unreadable:
            return html.escape(text)
    head = next((one for one in _heads(text) if is_formula(one)), "")
    math = f"<math><mrow>{formula(head)}</mrow></math>" if head else ""
    return math + html.escape(text[len(head) :])


def _heads(text: str) -> list[str]:
    """A text up to each comma and semicolon, the longest first."""
    return [
        text.rstrip(",;"),
        *(text[: one.start()] for one in [*re.finditer("[,;] ", text)][::-1]),
    ]
