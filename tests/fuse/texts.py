"""Small random texts over all words, kinds of values and operators; most can be run, many not."""

from __future__ import annotations

from random import Random

__all__ = ["Writer"]

DECLARED = """\
lr: float = 0.1
k: int = 2
betas: tuple[float, float] = (0.9, 0.99)
flag: bool = True
mode: str = setting("fast", choices=("fast", "slow"))
m = state("momentum")
r = state("of_rows", per="row", start=0.5)
c = state("of_columns", per="column", start=0.5)
d = state("of_tensor", per="tensor", start=0.5)
a = state("of_all", per="all", start=0.5)
L = state("left", per=("rows", "rows"))
Q = state("right", per=("columns", "columns"))
"""
ARRAYS = {"m": "element", "r": "row", "c": "column", "L": "rows", "Q": "columns"}
CELLS = {"d": "number", "a": "number"}
GIVEN = {"lr": "number", "k": "number", "flag": "truth", "t": "number", "first": "truth"}
GIVEN |= {"ndim": "number", "rows": "number", "columns": "number", "betas": "several"}
GIVEN |= {"mode": "text", "p": "element", "g": "element"}
OF_ONE = ("sqrt", "cbrt", "exp", "log", "absolute", "sign", "tanh", "cos", "floor")
OF_TWO = ("maximum", "minimum", "angle")  # atan2 knows the sign of a zero, which no pass keeps
ARITHMETIC = ("+", "-", "*", "/", "//", "%", "**")
ON_SQUARE = ("eigenbasis", "spectral_bound", "identity", "triu")


class Writer:
    """Writes the body of one `update`, and knows what kind its names are of.

    Of `strange` things, which most often have no meaning, about one in so many places has one.
    """

    def __init__(self, random: Random, strange: int = 40, on_matrices: bool = False) -> None:
        self._random, self._strange = random, strange
        self.on_matrices = on_matrices
        self.names = {n: kind for n, kind in GIVEN.items() if n in "pg" or self._once_in(2)}
        states = dict(ARRAYS) if on_matrices else {n: k for n, k in ARRAYS.items() if n in "mrc"}
        self.states = {n: kind for n, kind in {**states, **CELLS}.items() if self._once_in(2)}
        self.names |= self.states
        self.arguments = list(self.names)
        self._given: set[str] = set()

    def lines(self) -> list[str]:
        """The lines of the body; the last gives u a value."""
        found: list[str] = []
        for _ in range(self._random.randint(1, 4)):
            found += self._statement(2)
        found.append(f"u = {self._element(3)}")
        return found

    @property
    def returned(self) -> list[str]:
        """What it returns: the step, and the states that it gave a value."""
        return ["u", *(name for name in self.states if name in self._given)]

    def _once_in(self, count: int) -> bool:
        return self._random.randrange(count) == 0

    def _statement(self, depth: int) -> list[str]:
        if depth and self._once_in(5):
            return self._branch(depth)
        if "betas" in self.names and self._once_in(8):
            self.names |= {"b1": "number", "b2": "number"}
            return ["b1, b2 = betas"]
        kind = self._kind()
        locals_ = [n for n in ("x", "y", "z") if self.names.get(n, kind) == kind]
        own = [n for n, of in self.states.items() if of == kind]
        name = self._random.choice([*locals_, *own, *own] or ["z"])
        if self._once_in(self._strange):
            name = self._random.choice(["p", "g", "lr", "m", "t", "x"])
        line = f"{name} = {self._of(kind, 3)}"
        self.names[name] = kind
        self._given.add(name)
        return [line]

    def _branch(self, depth: int) -> list[str]:
        test = self._condition(2, self._random.choice(["number", "number", "tensor"]))
        before = dict(self.names)
        found = [f"if {test}:"]
        ways = []
        for opening in ("", "else:"):
            self.names = dict(before)
            count = self._random.randint(1, 2)
            body = [line for _ in range(count) for line in self._statement(depth - 1)]
            found += [opening] * bool(opening) + ["    " + line for line in body]
            ways.append(self.names)
        one, other = ways
        self.names = {n: kind for n, kind in one.items() if other.get(n) == kind}
        return found

    def _kind(self) -> str:
        kinds = ["element", "element", "element", "number", "tensor", "row", "column", "condition"]
        return self._random.choice([*kinds, *["matrix", "rows", "columns"] * self.on_matrices])

    def _of(self, kind: str, depth: int) -> str:
        if self._once_in(self._strange):
            kind = self._random.choice([*self.names.values(), "condition", "tensor"])
        if kind in ("rows", "columns"):
            return self._square(kind, depth)
        write = {
            "element": self._element,
            "number": self._number,
            "truth": lambda _: self._name("truth") or "True",
            "several": lambda _: self._name("several") or "(0.5, 0.25)",
            "text": lambda _: self._name("text") or '"fast"',
            "tensor": self._tensor,
            "row": lambda depth: self._vector("row", depth),
            "column": lambda depth: self._vector("column", depth),
            "condition": lambda depth: self._condition(depth, "element"),
            "matrix": self._matrix,
        }[kind]
        return write(depth)

    def _name(self, *kinds: str) -> str:
        names = [name for name, kind in self.names.items() if kind in kinds]
        return self._random.choice(names) if names else ""

    def _constant(self) -> str:
        return self._random.choice(["0.0", "1.0", "0.5", "2", "3", "-1.5", "1", "0.25", "HALF"])

    def _number(self, depth: int) -> str:
        """Of the step."""
        if not depth or self._once_in(3):
            return self._name("number") or self._constant()
        return self._made(lambda: self._number(depth - 1), lambda: self._condition(1, "number"))

    def _tensor(self, depth: int) -> str:
        if depth and self._once_in(2):
            word = self._random.choice(["sum", "mean", "norm", "largest"])
            over = self._random.choice(["", ', "tensor"', ', "all"'])
            return f"{word}({self._element(depth - 1)}{over})"
        if not depth:
            return self._name("tensor") or "norm(g)"
        part = lambda: self._random.choice([self._tensor, self._number])(depth - 1)  # noqa: E731
        return self._made(part, lambda: self._condition(1, "tensor"))

    def _vector(self, kind: str, depth: int) -> str:
        if depth and self._once_in(2):
            word = self._random.choice(["sum", "mean", "norm", "largest"])
            return f'{word}({self._element(depth - 1)}, "{kind}")'
        if not depth:
            return self._name(kind) or f'mean(g * g, "{kind}")'
        of = [lambda depth: self._vector(kind, depth), self._number, self._tensor]
        return self._made(lambda: self._random.choice(of)(depth - 1), None)

    def _element(self, depth: int) -> str:
        if not depth or self._once_in(5):
            return self._name("element")
        if self.on_matrices and self._once_in(5):
            return self._product(depth - 1)
        if self._once_in(30):
            return f"noise(k, {self._number(1)})"
        kinds = ["element"] * 6 + ["number", "number", "tensor", "row", "column"]
        part = lambda: self._of(self._random.choice(kinds), depth - 1)  # noqa: E731
        made = self._made(part, lambda: self._condition(1, "number"))
        return f"{self._name('element')} + {made}" if self._once_in(3) else made

    def _made(self, part, test) -> str:
        """What is worked out of parts."""
        form = self._random.randrange(12)
        if form == 0:
            return f"{self._random.choice(OF_ONE)}({part()})"
        if form == 1:
            return f"{self._random.choice(OF_TWO)}({part()}, {part()})"
        if form == 2:
            return f"lerp({part()}, {part()}, {self._random.choice(['0.3', self._number(1)])})"
        if form == 3 and test is not None:
            return f"({part()} if {test()} else {part()})"
        if form == 4:
            return f"where({self._condition(1, 'element')}, {part()}, {part()})"
        if form == 5:
            return f"{self._random.choice(['half', 'hypotenuse'])}({part()}, {part()})"
        if form == 6:
            return f"(-{part()})"
        if form == 7:
            return f"({part()})**{self._random.choice(['2', '3', '0.5', '-1', '-2', '0'])}"
        operator = self._random.choice([*"+-*+-*/", self._random.choice(ARITHMETIC)])
        return f"({part()} {operator} {part()})"

    def _condition(self, depth: int, kind: str) -> str:
        if depth and self._once_in(4):
            one, other = (self._condition(depth - 1, kind) for _ in range(2))
            joined = ["&", "|"] if kind == "element" else ["and", "or"]
            joined += ["==", "!="] if self._once_in(4) else []
            return f"(({one}) {self._random.choice(joined)} ({other}))"
        if depth and self._once_in(6):
            word = "~" if kind == "element" else "not "
            return f"({word}({self._condition(depth - 1, kind)}))"
        if self._once_in(6):
            known = ["True", 'mode == "fast"' if "mode" in self.names else "1 > 0"]
            names = [self._name("truth"), *([self._name("condition")] if kind == "element" else [])]
            return self._random.choice([*filter(None, names)] or known)
        sides = {"element": ["element", "element", "number", "tensor", "row"]}
        sides |= {"tensor": ["tensor", "tensor", "number"], "number": ["number"]}
        one, other = (self._of(self._random.choice(sides[kind]), 1) for _ in range(2))
        return f"{one} {self._random.choice(['<', '>', '<=', '>=', '==', '!='])} {other}"

    # ---- whole matrices ----

    def _square(self, kind: str, depth: int) -> str:
        """A matrix of as many rows as columns."""
        name = self._name(kind)
        if name and (not depth or self._once_in(3)):
            return name
        x = self._element(1)
        form = self._random.randrange(5)
        if not depth or form == 0:
            return f"({x}) @ ({x}).mT" if kind == "rows" else f"({x}).mT @ ({x})"
        if form == 1:
            return f"{self._random.choice(ON_SQUARE)}({self._square(kind, depth - 1)})"
        if form == 2:
            return f"inverse_root({self._square(kind, depth - 1)}, 2, 0.1)"
        if form == 3:
            return f"qr({self._square(kind, depth - 1)} + identity({self._square(kind, 0)}))"
        return f"lerp({self._square(kind, depth - 1)}, {self._square(kind, 0)}, {self._number(1)})"

    def _matrix(self, depth: int) -> str:
        return self._square(self._random.choice(["rows", "columns"]), depth)

    def _product(self, depth: int) -> str:
        """What has the shape of the parameter."""
        x = self._element(depth)
        form = self._random.randrange(4)
        if form == 0:
            return f"newton_schulz({x}, (3.4445, -4.775, 2.0315), 2, 1e-7)"
        if form == 1:
            return f"(({self._square('rows', depth)}) @ ({x}))"
        if form == 2:
            return f"(({x}) @ ({self._square('columns', depth)}))"
        return f"laid(tall({x}), rows, columns)"
