"""The equations of a docstring as MathML, which browsers draw by themselves.

Docstrings have them as text, `p <- p - lr mhat / (sqrt(vhat) + eps)`, one below the other, with
remarks beside them. Here each line becomes a row: its formulas, and what is said of them. Words of
prose within a formula stay words.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

__all__ = ["Row", "formula", "is_formula", "rows", "table"]

_GREEK = dict(
    alpha="α", beta="β", gamma="γ", delta="δ", eps="ε", zeta="ζ", eta="η", theta="θ", mu="μ",
    xi="ξ", pi="π", rho="ρ", tau="τ", phi="φ",
)  # fmt: skip
_GREEK["lambda"] = "λ"
_FUNCTIONS = {
    "sqrt", "cbrt", "max", "min", "clip", "sign", "mean", "sum", "exp", "ln", "log", "cos", "std",
    "atan2", "sigmoid", "RMS", "rms", "norm", "rectification",
}  # fmt: skip
_PROSE = set(
    """of the along by their at where from to is in every each and with otherwise or a an up if over
    all as plus times has hats follow followed orthogonalized random numbers normal gradient column
    iteration before newest pair pairs for then divided length steps step rows' means mean's vectors
    right singular orthogonal factor eigenvectors largest values goes evenly half-life its Muon's
    begin starts drawn that renewed power QR one""".split()
) - {"a", "all"}

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>\d+(?:,\d{3})+|\d+(?:\.\d+)?(?:e-?\d+)?)"
    r"|(?P<name>[A-Za-z][A-Za-z]*(?:-[a-z]{3,})?[A-Za-z0-9]*(?:_[A-Za-z0-9]+)*'?)"
    r"|(?P<sign><-|<=|>=|[-+*/^_()\[\]|,;:<>=.\"'!])"
)
_RELATIONS = {"<-": "←", "=": "=", "<=": "≤", ">=": "≥", "<": "&lt;", ">": "&gt;"}


@dataclass
class Row:
    """A line of equations: its formulas as they stand, and what is said beside them."""

    formulas: list[str]
    remarks: list[str] = field(default_factory=list)
    goes_on: bool = False
    column: int = 0


class Unreadable(ValueError):
    """A text that is no formula."""


def rows(text: str) -> list[Row]:
    """The rows of a block, remarks that go on in a line below put together."""
    lines = text.expandtabs().splitlines()
    base = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    found: list[Row] = []
    for line in filter(str.strip, lines):
        begin = len(line) - len(line.lstrip())
        parts = [(begin + at, part) for at, part in _parts(line.strip())]
        last = found[-1] if found else None
        if last is not None and begin > base and last.remarks and begin >= last.column - 2:
            _add_remarks(last, [part for _, part in parts])
            continue
        formulas = [parts.pop(0)[1]]
        while parts and _goes_on(formulas[-1], parts[0][1]):
            formulas.append(parts.pop(0)[1])
        row = Row(formulas, goes_on=begin > base, column=parts[0][0] if parts else 999)
        _add_remarks(row, [part for _, part in parts])
        if not _has_sides(formulas[0]):
            row = Row([], [" ".join([*formulas, *row.remarks])], column=begin)
        found.append(row)
    return found


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
        if is_new and not row.remarks[-1:] == [""]:
            row.remarks.append(part)
        else:
            row.remarks[-1] += f" {part}"


def is_formula(text: str) -> bool:
    """Whether a text is one formula, without a word of prose."""
    try:
        tokens = _tokens(text.rstrip(",;"))
        formula(text.rstrip(",;"))
    except Unreadable:
        return False
    related = any(token in _RELATIONS for _, token in tokens)
    return related and not any(kind == "name" and _is_prose(one) for kind, one in tokens)


def _has_sides(text: str) -> bool:
    """Whether a text says of something what it is, be it in words."""
    try:
        (_, first), *_ = tokens = _tokens(text.rstrip(",;:"))
        formula(text.rstrip(",;:"))
    except Unreadable:
        return False
    return not _is_prose(first) and any(token in _RELATIONS for _, token in tokens)


def table(text: str) -> str:
    """A block of equations as HTML."""
    return f'<div class="equations">{"".join(map(_row, rows(text)))}</div>'


def _row(row: Row) -> str:
    kind = ' class="on"' if row.goes_on else ""
    math = "".join(_shown(one, display=True) for one in row.formulas)
    said = "".join(f"<span>{_shown(one)}</span>" for one in row.remarks)
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
    return [text.rstrip(",;"), *(text[: one.start()] for one in [*re.finditer("[,;] ", text)][::-1])]


def formula(text: str) -> str:
    """The inside of a `math`; raises Unreadable."""
    reader = _Reader(_tokens(text))
    found = reader.several()
    if reader.here is not None:
        raise Unreadable(f"{text}: at {reader.here}")
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unreadable(text)
        if match.lastgroup == "sign" or match.lastgroup != "space":
            found.append((str(match.lastgroup), match[0]))
        elif found:
            found.append(("space", " "))
        at = match.end()
    return found


def _is_prose(word: str) -> bool:
    return word in _PROSE


class _Reader:
    """Reads by descent: relations, sums, products and quotients, powers, and what stands alone."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens, self._at, self._bars = tokens, 0, 0

    @property
    def here(self) -> str | None:
        """The next sign or word, spaces skipped."""
        while self._at < len(self._tokens) and self._tokens[self._at][0] == "space":
            self._at += 1
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    @property
    def _is_close(self) -> bool:
        """Whether the next token stands right behind the last one."""
        return self._at < len(self._tokens) and self._tokens[self._at][0] != "space"

    def _take(self, expected: str | None = None) -> str:
        token = self.here
        if token is None or expected not in (None, token):
            raise Unreadable(f"{expected} must be here, got {token}")
        self._at += 1
        return token

    def several(self) -> str:
        found = self._relation()
        while self.here in (",", ";", ":"):
            sign = self._take()
            found += f'<mo separator="true">{sign}</mo><mspace width="0.3em"/>{self._relation()}'
        return found

    def _relation(self) -> str:
        found = self._sum()
        while self.here in _RELATIONS and not self._is_angle:
            found += f"<mo>{_RELATIONS[self._take()]}</mo>{self._sum()}"
        return found

    def _sum(self) -> str:
        found = ""
        if self.here in ("-", "+"):
            found = f"<mo>{_minus(self._take())}</mo>"
        found += self._product()
        while self.here in ("+", "-"):
            found += f"<mo>{_minus(self._take())}</mo>{self._product()}"
        return found

    def _product(self) -> str:
        """Factors beside each other; a quotient has all before it above, and one factor below."""
        above, below = [self._power()], list[str]()
        while self._begins_factor() or self.here in ("/", "*"):
            if self.here == "/":
                self._take()
                below.append(self._power())
                continue
            if self.here == "*":
                self._take()
            if below:
                above, below = [_over(above, below)], []
            above.append(self._power())
        return _over(above, below) if below else _beside(above)

    def _begins_factor(self) -> bool:
        token = self.here
        if token is None:
            return False
        kind = self._tokens[self._at][0]
        if token == "|":
            return self._bars <= 0 or self._opens()
        return kind in ("name", "number") or token in ("(", "[") or (token == "<" and self._is_angle)

    @property
    def _is_angle(self) -> bool:
        """Whether < and > are the brackets of a product: those stand close to what is within."""
        behind = self._tokens[self._at + 1 : self._at + 2]
        if self.here == ">":
            return self._bars < 0
        return self.here == "<" and bool(behind) and behind[0][0] != "space"

    def _opens(self) -> bool:
        """Whether a bar within bars begins another length: one stands apart from what is before it
        and close to what is behind it."""
        apart = self._at > 0 and self._tokens[self._at - 1][0] == "space"
        behind = self._tokens[self._at + 1 : self._at + 2]
        return apart and bool(behind) and behind[0][0] in ("name", "number")

    def _power(self) -> str:
        base = self._atom()
        if self._is_close and self.here == "_" and self._at + 1 < len(self._tokens):
            self._take()
            base = f"<msub>{_one(base)}{_one(self._atom())}</msub>"
        if self.here == "^":
            self._take()
            base = f"<msup>{_one(base)}{_one(_bare(self._atom()))}</msup>"
        return base

    def _atom(self) -> str:
        token = self._take()
        kind = self._tokens[self._at - 1][0]
        if kind == "number":
            return f"<mn>{token}</mn>"
        if kind == "name":
            return self._named(token)
        if token == "-":
            return f"<mo>−</mo>{self._power()}"
        if token == "|":
            return self._within("|", "|")
        if token == "<":
            return self._within("<", ">")
        if token == "(":
            return self._within("(", ")")
        if token == "[":
            return self._within("[", "]")
        raise Unreadable(f"a factor must be here, got {token}")

    def _within(self, opening: str, closing: str) -> str:
        bars, self._bars = self._bars, {"|": max(self._bars, 0) + 1, "<": -1}.get(opening, 0)
        inside = self.several()
        self._take(closing)
        self._bars = bars
        left, right = {"<": ("⟨", "⟩")}.get(opening, (opening, closing))
        grows = "true" if "<mfrac>" in inside else "false"
        return (
            f'<mrow><mo fence="true" form="prefix" stretchy="{grows}">{left}</mo>{inside}'
            f'<mo fence="true" form="postfix" stretchy="{grows}">{right}</mo></mrow>'
        )

    def _named(self, name: str) -> str:
        if _is_prose(name):
            return f"<mtext>&#160;{name}&#160;</mtext>"
        if name in _FUNCTIONS:
            if self._is_close and self.here == "(":
                return _called(name, self._atom())
            return f'<mo form="prefix" rspace="0.15em">{name}</mo>'
        found = _symbol(name)
        if self._is_close and self.here in ("[", "(") and name.endswith("_"):
            return found
        if self._is_close and self.here == "[":
            return f"<msub>{_one(found)}{_one(_bare(self._atom()))}</msub>"
        if self._is_close and self.here == ".":
            self._take()
            return f"<mrow>{found}<mo>·</mo>{self._atom()}</mrow>"
        return found


def _minus(sign: str) -> str:
    return "−" if sign == "-" else sign


def _one(inside: str) -> str:
    return f"<mrow>{inside}</mrow>"


_FENCED = re.compile(
    r'<mrow><mo fence="true" form="prefix" stretchy="\w+">[(\[]</mo>(.*)'
    r'<mo fence="true" form="postfix" stretchy="\w+">[)\]]</mo></mrow>'
)


def _bare(inside: str) -> str:
    """Without the brackets around all of it, where there are."""
    match = _FENCED.fullmatch(inside)
    if match is None:
        return inside
    depth = 0
    for sign in re.findall(r'form="(prefix|postfix)"', match[1]):
        depth += 1 if sign == "prefix" else -1
        if depth < 0:  # of two pairs beside each other
            return inside
    return match[1]


def _over(above: list[str], below: list[str]) -> str:
    top = _bare(above[0]) if len(above) == 1 else _beside(above)
    bottom = _bare(below[0]) if len(below) == 1 else _beside(below)
    return f"<mfrac>{_one(top)}{_one(bottom)}</mfrac>"


def _beside(factors: list[str]) -> str:
    """A thin space between words, for which a product has no sign."""
    return '<mspace width="0.18em"/>'.join(factors)


def _called(name: str, arguments: str) -> str:
    if name == "sqrt":
        return f"<msqrt>{_bare(arguments)}</msqrt>"
    if name == "cbrt":
        return f"<mroot>{_one(_bare(arguments))}<mn>3</mn></mroot>"
    return f'<mrow><mo form="prefix" rspace="0">{name}</mo>{arguments}</mrow>'


def _symbol(name: str) -> str:
    """A name: Greek, with a hat, an index, a prime, or as it is."""
    if name.endswith("'"):
        return f"<msup>{_one(_symbol(name[:-1]))}<mo>⊤</mo></msup>"
    if name.endswith("hat") and len(name) > 3:
        return f"<mover>{_one(_symbol(name[:-3]))}<mo>^</mo></mover>"
    if name in _GREEK:
        return f"<mi>{_GREEK[name]}</mi>"
    head, _, index = name.partition("_")
    if index and (len(head) == 1 or head in _GREEK or index == "t" or _is_letter(head)):
        inside = "<mo>∞</mo>" if index == "inf" else _symbol(index)
        return f"<msub>{_one(_symbol(head))}{_one(inside)}</msub>"
    match = re.fullmatch(r"([A-Za-z]|alpha|beta|gamma|eps|lambda)(\d+|i)", name)
    if match:
        return f"<msub>{_one(_symbol(match[1]))}{_one(f'<mn>{match[2]}</mn>')}</msub>"
    if len(name) == 1:
        return f"<mi>{name}</mi>"
    return f'<mi mathvariant="normal">{name}</mi>'


def _is_letter(head: str) -> bool:
    """A letter with a number, b3 in b3_t."""
    return re.fullmatch(r"[A-Za-z]\d", head) is not None
