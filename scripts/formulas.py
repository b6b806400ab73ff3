"""One formula of a docstring, `p <- p - lr m / sqrt(v)`, as the inside of a MathML `math`."""

from __future__ import annotations

import re

__all__ = ["RELATIONS", "Unreadable", "formula", "is_prose", "tokens_of"]

# In words, of which prose and the signs of a formula are told apart.
_GREEK_WORDS = "alpha beta gamma delta zeta eta theta lambda mu xi pi rho tau phi eps"
_FUNCTION_WORDS = """sqrt cbrt max min clip sign mean sum exp ln log cos std atan2 sigmoid RMS rms
norm rectification"""
_PROSE_WORDS = """of the along by their at where from to is in every each and with otherwise or an
up if over all as plus times has hats follow followed orthogonalized random
numbers normal gradient column iteration before newest pair pairs for then
divided length steps step rows' means mean's vectors right singular orthogonal
factor eigenvectors largest values goes evenly half-life its Muon's begin starts
drawn that renewed power QR one"""
_GREEK, _FUNCTIONS, _PROSE = (
    frozenset(words.split()) for words in (_GREEK_WORDS, _FUNCTION_WORDS, _PROSE_WORDS)
)

_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>\d+(?:,\d{3})+|\d+(?:\.\d+)?(?:e-?\d+)?)"
    r"|(?P<name>[A-Za-z][A-Za-z]*(?:-[a-z]{3,})?[A-Za-z0-9]*(?:_[A-Za-z0-9]+)*'?)"
    r"|(?P<sign><-|<=|>=|[-+*/^_()\[\]|,;:<>=.\"'!])"
)
RELATIONS = {"<-": "←", "=": "=", "<=": "≤", ">=": "≥", "<": "&lt;", ">": "&gt;"}


class Unreadable(ValueError):
    """A text that is no formula."""


def formula(text: str) -> str:
    """The inside of a `math`; raises Unreadable."""
    reader = _Reader(tokens_of(text))
    found = reader.several()
    if reader.here is not None:
        raise Unreadable(f"{text}: at {reader.here}")
    return found


def tokens_of(text: str) -> list[tuple[str, str]]:
    """Kind and text of each number, name and sign, and of the spaces between."""
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


def is_prose(word: str) -> bool:
    """Whether a word is one of the text around the mathematics."""
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
        while self.here in RELATIONS and not self._is_angle:
            found += f"<mo>{RELATIONS[self._take()]}</mo>{self._sum()}"
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
        return (
            kind in ("name", "number") or token in ("(", "[") or (token == "<" and self._is_angle)
        )

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
            return f"<mo>&minus;</mo>{self._power()}"
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
        if is_prose(name):
            return f"<mtext>&#160;{name}&#160;</mtext>"
        if name in _FUNCTIONS:
            if self._is_close and self.here == "(":
                return _called(name, self._atom())
            sign = f'<mo form="prefix" rspace="0.15em">{name}</mo>'
            bound = self._begins_factor() and not is_prose(self.here or "")
            return _one(sign + self._power()) if bound else sign
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
    return "&minus;" if sign == "-" else sign


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
        return f"<msup>{_one(_symbol(name[:-1]))}<mo>&top;</mo></msup>"
    if name.endswith("hat") and len(name) > 3:
        return f"<mover>{_one(_symbol(name[:-3]))}<mo>^</mo></mover>"
    if name in _GREEK:
        return f"<mi>&{'epsilon' if name == 'eps' else name};</mi>"
    head, _, index = name.partition("_")
    if index and (len(head) == 1 or head in _GREEK or index == "t" or _is_letter(head)):
        inside = "<mo>&infin;</mo>" if index == "inf" else _symbol(index)
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
