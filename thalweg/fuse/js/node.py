"""Node as a place to run the JavaScript engine: how tests hold its text against the oracle.

A browser needs none of this: it runs the text on arrays of its own.
"""

from __future__ import annotations

import atexit
import base64
import ctypes
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.fuse.js.text import ARRAYS, function_text
from thalweg.fuse.plan import Pass

__all__ = ["Node", "NodeEngine", "packed", "unpacked"]

# one line of JSON in, one out: either a function to keep, or a call of one
_SERVER = """
const kinds = {Float64Array, Float32Array}, functions = [];
const unpacked = ([kind, text]) => {
  const bytes = Uint8Array.from(Buffer.from(text, "base64"));
  return new kinds[kind](bytes.buffer);
};
const packed = (array) => Buffer.from(array.buffer).toString("base64");
const answer = (order) => {
  if (order.text !== undefined) return functions.push(eval(`(${order.text})`)) - 1;
  const arrays = {};
  for (const name in order.arrays) arrays[name] = unpacked(order.arrays[name]);
  const numbers = {};
  for (const name in order.numbers) numbers[name] = Number(order.numbers[name]);
  const sums = functions[order.call](arrays, numbers, order.rows, order.columns);
  const stored = {};
  for (const name of order.stores) stored[name] = packed(arrays[name]);
  return [sums.map(String), stored];
};
const reader = require("node:readline").createInterface({input: process.stdin});
reader.on("line", (line) => {
  let reply;
  try { reply = {value: answer(JSON.parse(line))}; } catch (error) { reply = {error: error.stack}; }
  process.stdout.write(JSON.stringify(reply) + "\\n");
});
"""


class Node:
    """A Node process that keeps functions and calls them."""

    def __init__(self) -> None:
        program = shutil.which("node")
        if program is None:
            raise RuntimeError(
                "the JavaScript engine needs a program called node, and none is here"
            )
        self._process = subprocess.Popen(
            [program, "-e", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        atexit.register(self.close)

    def ask(self, **order: Any) -> Any:
        """Send one order and wait for what comes of it."""
        there, back = self._process.stdin, self._process.stdout
        assert there is not None
        assert back is not None
        there.write(json.dumps(order) + "\n")
        there.flush()
        line = back.readline()
        if not line:
            raise RuntimeError(f"node ended with status {self._process.wait()} while it was asked")
        reply = json.loads(line)
        if "error" in reply:
            raise RuntimeError(f"in node: {reply['error']}")
        return reply["value"]

    def close(self) -> None:
        """End the process."""
        atexit.unregister(self.close)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


class NodeEngine:
    """The engine protocol over a Node process: arrays are copied there and back."""

    name = "js"

    def __init__(self, node: Node) -> None:
        self._node = node

    def formats(self) -> frozenset[str]:
        """What JavaScript has typed arrays and a rounding for: no companions, nothing at random."""
        return frozenset(ARRAYS)

    def table(self, shapes: Sequence[tuple[int, ...]], by_rows: bool) -> list[tuple[int, int]]:
        """Rows and columns of each tensor, the rows of all its matrices one behind the other; where
        they do not matter, one row."""
        if by_rows:
            return [(matrices * rows, columns) for matrices, rows, columns in shapes]
        return [(1, int(np.prod(shape, dtype=np.int64))) for shape in shapes]

    def sweep(
        self,
        pass_: Pass,
        formats: Sequence[str],
        computation: str,
        title: str,
        table: list[tuple[int, int]],
    ) -> _Sweep:
        """A pass as a function that Node keeps."""
        number = self._node.ask(text=function_text(pass_, computation, title))
        return _Sweep(self._node, number, pass_, formats, table)

    def read_numbers(
        self, addresses: NDArray[np.int64], wide: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The numbers at these addresses."""
        cells = [_number_at(*one).value for one in zip(addresses.flat, wide.flat, strict=True)]
        return np.array(cells, np.float64).reshape(addresses.shape)

    def write_numbers(
        self,
        addresses: NDArray[np.int64],
        wide: NDArray[np.int64],
        values: NDArray[np.float64],
    ) -> None:
        """Store numbers at these addresses."""
        for address, is_wide, value in zip(addresses.flat, wide.flat, values.flat, strict=True):
            _number_at(address, is_wide).value = value

    def cache(self) -> Path | None:
        """Node compiles anew in each process."""
        return None


class _Sweep:
    def __init__(
        self,
        node: Node,
        number: int,
        pass_: Pass,
        formats: Sequence[str],
        table: Sequence[tuple[int, int]],
    ) -> None:
        self._node, self._number, self._pass, self._table = node, number, pass_, table
        self._formats = dict(zip(pass_.streams, formats, strict=True))

    def launch(
        self, pointers: NDArray[np.int64], numbers: NDArray[np.float64], seed: int = 0
    ) -> _Launch:
        return _Launch(self, pointers, numbers)

    def run(
        self, pointers: NDArray[np.int64], numbers: NDArray[np.float64], threads: int, seed: int = 0
    ) -> NDArray[np.float64]:
        nothing = [-np.inf if one.kind == "largest" else 0.0 for one in self._pass.results]
        sums = np.tile(np.array(nothing, np.float64), (len(self._table), 1))
        for i, (rows, columns) in enumerate(self._table):
            at = dict(zip(self._pass.streams, pointers[i].tolist(), strict=True))
            known = dict(zip(self._pass.numbers, map(repr, numbers[i].tolist()), strict=True))
            if rows * columns:
                sums[i] = self._one(rows, columns, at, known)
        return sums

    def _one(
        self, rows: int, columns: int, at: Mapping[str, int], known: Mapping[str, str]
    ) -> list[float]:
        """One tensor: its arrays there, what was stored back."""
        sizes = {n: rows * columns * np.dtype(form).itemsize for n, form in self._formats.items()}
        totals, stored = self._node.ask(
            call=self._number,
            rows=rows,
            columns=columns,
            numbers={name: _spelled(value) for name, value in known.items()},
            arrays={
                name: (ARRAYS[form], packed(ctypes.string_at(at[name], sizes[name])))
                for name, form in self._formats.items()
            },
            stores=list(self._pass.stores),
        )
        for name, text in stored.items():
            ctypes.memmove(at[name], unpacked(text), sizes[name])
        return [float(total) for total in totals]


class _Launch:
    def __init__(
        self, sweep: _Sweep, pointers: NDArray[np.int64], numbers: NDArray[np.float64]
    ) -> None:
        self._sweep, self._given = sweep, (pointers, numbers)
        self._is_done = False

    def run(self, threads: int) -> None:
        if not self._is_done:
            self._is_done = True
            self._sweep.run(*self._given, threads)


def packed(content: bytes) -> str:
    """An array's memory as a line of text may hold it."""
    return base64.b64encode(content).decode("ascii")


def unpacked(text: str) -> bytes:
    """An array's memory, from text."""
    return base64.b64decode(text)


def _spelled(number: str) -> str:
    """A double as JavaScript reads it back, digit for digit."""
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(number, number)


def _number_at(address: int, is_wide: int) -> Any:
    return (ctypes.c_double if is_wide else ctypes.c_float).from_address(int(address))
