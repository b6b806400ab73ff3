"""Joins the fragments of `changes/` into CHANGELOG.md, at a release.

python scripts/changelog.py            show what would stand under [Unreleased]
python scripts/changelog.py --check    say whether every fragment has the form of changes/README.md
python scripts/changelog.py --join     write it into CHANGELOG.md and delete the fragments
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("Added", "Changed", "Fixed")  # in this order

_HEAD = "## [Unreleased]"


def fragments(root: Path) -> list[Path]:
    """The files that wait for a release, in the order of their names."""
    return sorted(path for path in (root / "changes").glob("*.md") if path.name != "README.md")


def read(path: Path) -> dict[str, list[str]]:
    """The items of a fragment under their kinds, with the line breaks they have."""
    found: dict[str, list[str]] = {}
    kind = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#"):
            kind = line.removeprefix("### ")
            if kind not in KINDS:
                wanted = ", ".join(f"'### {one}'" for one in KINDS)
                raise ValueError(f"{path.name}:{number}: a heading must be {wanted}, got {line!r}")
            found.setdefault(kind, [])
        elif line.startswith("- ") and kind:
            found[kind].append(line)
        elif line.startswith("  ") and kind and found[kind]:
            found[kind][-1] += f"\n{line}"
        elif line.strip():
            raise ValueError(
                f"{path.name}:{number}: below a heading there must be lines that begin with '- ', "
                f"and with two spaces where one goes on, got {line!r}"
            )
    if not any(found.values()):
        raise ValueError(f"{path.name}: there must be a heading and an item below it, got neither")
    return found


def joined(text: str, changes: Iterable[Mapping[str, Sequence[str]]]) -> str:
    """A changelog with more items at the end of the kinds under [Unreleased]."""
    if f"\n{_HEAD}\n" not in text:
        raise ValueError(f"CHANGELOG.md must have a heading {_HEAD!r}")
    before, _, after = text.partition(f"\n{_HEAD}\n")
    body, mark, rest = after.partition("\n## ")
    kinds: dict[str, str] = {}
    for part in body.split("\n### ")[1:]:
        kind, _, items = part.partition("\n")
        kinds[kind] = items.strip()
    for one in changes:
        for kind, items in one.items():
            kinds[kind] = "\n".join(filter(None, [kinds.get(kind, ""), *items]))
    order = sorted(kinds, key=lambda kind: KINDS.index(kind) if kind in KINDS else len(KINDS))
    sections = "".join(f"\n### {kind}\n\n{kinds[kind]}\n" for kind in order)
    return f"{before}\n{_HEAD}\n{sections}{mark}{rest}"


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Returns the exit code."""
    if list(arguments) not in ([], ["--check"], ["--join"]):
        print("usage: changelog.py [--check | --join]", file=sys.stderr)
        return 2
    log, found = root / "CHANGELOG.md", fragments(root)
    try:
        text = joined(log.read_text(encoding="utf-8"), map(read, found))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    if "--join" in arguments:
        log.write_text(text, encoding="utf-8")
        for path in found:
            path.unlink()
    elif not arguments:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
