"""Lines of a step as JavaScript: what is declared where, and what is an array or a loop's own."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from thalweg.fuse.js.lines import Add, If, Line, Loop, OfRows, Set, walk
from thalweg.fuse.js.words import Writer, indented
from thalweg.source import names_in

__all__ = ["Script"]

Path = tuple[tuple[int, int], ...]  # of a block: through which line, on which side, each time

_IN_PLACE = {ast.Add: "+=", ast.Sub: "-=", ast.Mult: "*=", ast.Div: "/="}
_COUNTS = {"element": ("i", "n"), "row": ("row", "rows"), "column": ("column", "columns")}


class Script:
    """Writes lines. `names` are the ones they get, `kinds` what there is one of, `given` those that
    have a value before the first line, `truths` what is true or false, and `sides` the words for
    how many rows and columns a matrix has."""

    def __init__(
        self,
        lines: Sequence[Line],
        names: Mapping[str, str],
        kinds: Mapping[str, str],
        given: set[str],
        truths: set[str],
        is_one_part: bool,
        sides: tuple[str, str] = ("rows", "columns"),
    ) -> None:
        self._height, self._width = sides
        self.lines, self.names, self.kinds, self.given = lines, names, kinds, given
        self._mentions: dict[str, list[tuple[Path, int]]] = {}
        self._times_stored: dict[str, int] = {}
        self._loops: set[Path] = set()
        self._find(lines, (), False)
        self._declared: dict[tuple[Path, int], list[str]] = {}
        self._local: set[str] = set()
        for name in self._mentions:
            self._place(name)
        self.writer = Writer(self._name, truths=truths | _truths_in(lines))
        self._part = "" if not is_one_part else None

    @property
    def copies_gradient(self) -> bool:
        """Whether the gradient changes, and not inside one loop alone."""
        return "g" in self._times_stored and "g" not in self._local

    def stored(self, name: str) -> bool:
        """Whether a name is given a value."""
        return name in self._times_stored

    def asks(self, name: str) -> bool:
        """Whether a name is read or given a value."""
        return name in self._mentions

    @property
    def counts_rows(self) -> bool:
        """Whether anything is there per row or column."""
        return any(self.kinds.get(name) in ("row", "column") for name in self._mentions)

    def text(self) -> list[str]:
        """All lines."""
        return self._block(self.lines, ())

    # ---- where a name is declared ----

    def _find(self, lines: Sequence[Line], path: Path, is_loop: bool) -> None:
        if is_loop:
            self._loops.add(path)
        for k, line in enumerate(lines):
            if isinstance(line, If):
                self._mention(names_in(line.test), path, k)
                self._find(line.body, (*path, (k, 0)), is_loop)
                self._find(line.orelse, (*path, (k, 1)), is_loop)
            elif isinstance(line, Loop):
                self._find(line.body, (*path, (k, 0)), True)
            else:
                targets = line.targets if isinstance(line, Set) else (line.target,)
                self._mention({*targets, *names_in(line.value)}, path, k)
                for name in targets:
                    self._times_stored[name] = self._times_stored.get(name, 0) + 1

    def _mention(self, names: set[str], path: Path, k: int) -> None:
        for name in sorted(names):
            self._mentions.setdefault(name, []).append((path, k))

    def _place(self, name: str) -> None:
        """Find the innermost block around all mentions of a name, and its first line with one."""
        is_changed_gradient = name == "g" and "g" in self._times_stored
        if name in self.given and not is_changed_gradient:
            return
        paths = [path for path, _ in self._mentions[name]]
        block = paths[0]
        for path in paths:
            while path[: len(block)] != block:
                block = block[:-1]
        first = min(p[len(block)][0] if p != block else k for p, k in self._mentions[name])
        if block in self._loops:
            self._local.add(name)
        elif is_changed_gradient:
            return
        self._declared.setdefault((block, first), []).append(name)

    # ---- lines ----

    def _name(self, name: str) -> str:
        written, kind = self.names.get(name, name), self.kinds.get(name, "number")
        if name in self._local:
            return f"{written}_i" if name == "g" else written
        return written if kind == "number" else f"{written}[{_COUNTS[kind][0]}]"

    def _block(self, lines: Sequence[Line], path: Path) -> list[str]:
        found: list[str] = []
        for k, line in enumerate(lines):
            declared = self._declared.get((path, k), [])
            if not isinstance(line, Loop):
                found += self._comment(line.part)
            by_line = self._declared_by(line, declared)
            found += self._before([name for name in declared if name not in by_line])
            found += self._line(line, (*path, (k, 0)), (*path, (k, 1)), by_line)
        return found

    def _declared_by(self, line: Line, declared: Sequence[str]) -> list[str]:
        """The names that a line may declare as it gives them a value: all of its own, or none."""
        if not isinstance(line, Set) or names_in(line.value) & {*line.targets}:
            return []
        is_array = any(
            self.kinds[name] != "number" and name not in self._local for name in line.targets
        )
        is_all = {*line.targets} <= {*declared}
        return [] if is_array or not is_all or "g" in line.targets else list(line.targets)

    def _before(self, names: Sequence[str]) -> list[str]:
        """The declarations of names in front of the line that has them first."""
        arrays = [n for n in names if self.kinds[n] != "number" and n not in self._local]
        plain = [self._name(n) for n in names if n not in arrays and n != "g"]
        found = [
            f"const {self.names[n]} = new Float64Array({_COUNTS[self.kinds[n]][1]});"
            for n in arrays
        ]
        found += [f"let {', '.join(plain)};"] if plain else []
        return found + ([f"let {self._name('g')} = {self.names['g']}[i];"] if "g" in names else [])

    def _comment(self, part: str) -> list[str]:
        if self._part is None or part == self._part:
            return []
        self._part = part
        return [f"// {part}"]

    def _line(self, line: Line, one: Path, other: Path, declares: Sequence[str]) -> list[str]:
        if isinstance(line, Set):
            return [self._set(line, declares)]
        if isinstance(line, Add):
            return [f"{self._added(line)};"]
        if isinstance(line, OfRows):
            return self._of_rows(line)
        if isinstance(line, Loop):
            return self._loop(line, one)
        return self._if(line, one, other)

    def _if(self, line: If, one: Path, other: Path) -> list[str]:
        test, body = line.test, self._block(line.body, one)
        orelse = self._block(line.orelse, other)
        if not body:
            test, body, orelse = ast.UnaryOp(ast.Not(), test), orelse, []
        opening = f"if ({self.writer.truth(test)}) {{"
        if len(line.orelse) == 1 and orelse and orelse[0].startswith("if (") and line.body:
            return [opening, *indented(body), f"}} else {orelse[0]}", *orelse[1:]]
        last = ["} else {", *indented(orelse)] if orelse else []
        return [opening, *indented(body), *last, "}"]

    def _set(self, line: Set, declares: Sequence[str]) -> str:
        value, target = line.value, line.targets[0]
        if len(line.targets) > 1:
            left = f"[{', '.join(map(self._name, line.targets))}]"
        else:
            left = self._name(target)
        if declares:
            is_const = all(self._times_stored[name] == 1 for name in line.targets)
            return f"{'const' if is_const else 'let'} {left} = {self.writer.value(value)};"
        if isinstance(value, ast.BinOp) and isinstance(value.left, ast.Name):
            in_place = _IN_PLACE.get(type(value.op))
            if in_place and line.targets == (value.left.id,):
                return f"{left} {in_place} {self.writer.value(value.right)};"
        return f"{left} = {self.writer.value(value)};"

    def _added(self, line: Add | OfRows, total: str = "") -> str:
        total = total or self._name(line.target)
        if line.kind == "largest":
            return f"{total} = Math.max({total}, {self.writer.value(line.value)})"
        is_norm = line.kind == "norm"
        value = ast.BinOp(line.value, ast.Pow(), ast.Constant(2)) if is_norm else line.value
        return f"{total} += {self.writer.value(value)}"

    def _of_rows(self, line: OfRows) -> list[str]:
        index, count = _COUNTS[line.per]
        if line.of == line.per:
            return self._of_matrix(line, index, count)
        total, side = self._name(line.target), self._width if line.per == "row" else self._height
        body = [
            f"{total} = {_nothing(line)};",
            *self._begin(line.per),
            f"for ({self._elements(line.per)}) {{",
            f"  {self._added(line)};",
            "}",
        ]
        finish = {"norm": f"{total} = Math.sqrt({total});", "mean": f"{total} /= {side};"}
        body += [finish[line.kind]] if line.kind in finish else []
        return [f"for (let {index} = 0; {index} < {count}; {index}++) {{", *indented(body), "}"]

    def _begin(self, per: str) -> list[str]:
        """Where a column of a stack begins."""
        width, height = self._width, self._height
        at = f"Math.floor(column / {width}) * {width} * {height} + column % {width}"
        return [f"const begin = {at};"] if (per, width) == ("column", "width") else []

    def _elements(self, per: str) -> str:
        """The loop over the elements of a row or a column."""
        width, height = self._width, self._height
        if per == "row":
            return f"let i = row * {width}; i < (row + 1) * {width}; i++"
        if width == "columns":
            return "let i = column; i < n; i += columns"
        return f"let deep = 0, i = begin; deep < {height}; deep++, i += {width}"

    def _of_matrix(self, line: OfRows, index: str, count: str) -> list[str]:
        """Of all rows of a matrix, or all columns: the same number for each of them."""
        side = self._height if line.per == "row" else self._width
        whole = {"norm": "Math.sqrt(added)", "mean": f"added / {side}"}.get(line.kind, "added")
        body = [
            f"let added = {_nothing(line)};",
            f"for (let {index} = begin; {index} < begin + {side}; {index}++) {{",
            f"  {self._added(line, 'added')};",
            "}",
            f"{self.names[line.target]}.fill({whole}, begin, begin + {side});",
        ]
        return [f"for (let begin = 0; begin < {count}; begin += {side}) {{", *indented(body), "}"]

    def _loop(self, line: Loop, path: Path) -> list[str]:
        count, end = _COUNTS[line.over]
        body = self._block(line.body, path)
        if line.over == "element":
            for place in ("column", "row"):
                if any(f"[{place}]" in one for one in body):
                    body.insert(0, f"const {place} = {self._place_of_element(place)};")
        return [f"for (let {count} = 0; {count} < {end}; {count}++) {{", *indented(body), "}"]

    def _place_of_element(self, per: str) -> str:
        if per == "row":
            return f"Math.floor(i / {self._width})"
        if self._width == "columns":
            return "i % columns"
        matrix = f"Math.floor(i / ({self._width} * {self._height}))"
        return f"{matrix} * {self._width} + i % {self._width}"


def _nothing(line: OfRows) -> str:
    """What a reduction of nothing is."""
    return "-Infinity" if line.kind == "largest" else "0"


def _truths_in(lines: Sequence[Line]) -> set[str]:
    """The names that are given comparisons and nothing else."""
    given: dict[str, list[ast.expr]] = {}
    for line in walk(lines):
        if isinstance(line, Set):
            for name in line.targets:
                given.setdefault(name, []).append(line.value)
    return {n for n, values in given.items() if all(isinstance(v, ast.Compare) for v in values)}
