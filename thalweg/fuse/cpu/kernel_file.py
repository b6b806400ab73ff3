"""A kernel's file: a few plain lines that say what it is for, an empty one, the object code.

    thalweg kernel 2
    key 5e0c...                     everything that the code was made from
    machine x86_64-linux AMD EPYC 9754
    arguments 1
    function kernel
    symbols exp log
    code 3216
    sha256 9b1d...                  of the lines above and the code

The whole is what `packed` makes of two lines and the code, or it is not read.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from thalweg.fuse.cpu.object_code import LIBRARY, Code, is_linkable

__all__ = ["Label", "packed", "unpacked"]

_FORMAT = "thalweg kernel 2"
_FUNCTION = re.compile(r"[\w.$]{1,1000}", re.ASCII)
_LARGEST_HEAD = 1 << 12


@dataclass(frozen=True)
class Label:
    """What a kernel is for: the digest of all it was made from, the machine, its arguments."""

    key: str
    machine: str
    arguments: int


def packed(label: Label, made: Code) -> bytes:
    """The content of a kernel's file."""
    lines = [
        _FORMAT,
        f"key {label.key}",
        f"machine {label.machine}",
        f"arguments {label.arguments}",
        f"function {made.function}",
        f"symbols {' '.join(made.symbols)}",
        f"code {len(made.code)}",
    ]
    head = "\n".join(lines)
    checksum = hashlib.sha256(head.encode() + made.code).hexdigest()
    return f"{head}\nsha256 {checksum}\n\n".encode() + made.code


def unpacked(label: Label, content: bytes) -> Code | None:
    """The code in a kernel's file, if the file is whole, for this label, and can be linked."""
    end = content.find(b"\n\n", 0, _LARGEST_HEAD)
    try:
        lines = content[: max(end, 0)].decode("ascii").split("\n")
    except UnicodeDecodeError:
        return None
    fields = dict(line.partition(" ")[::2] for line in lines)
    function, symbols = fields.get("function", ""), fields.get("symbols", "").split()
    if not _FUNCTION.fullmatch(function) or not LIBRARY.issuperset(symbols):
        return None
    made = Code(content[end + 2 :], function, tuple(symbols))
    return made if packed(label, made) == content and is_linkable(made) else None
