"""The flags that the benchmarks share."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["make_parser", "positive"]


def make_parser(description: str, only: Sequence[str] = ()) -> argparse.ArgumentParser:
    """A parser with --threads and --json and, if there is a choice, --only."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    if only:
        parser.add_argument(
            "--only", metavar="NAME", choices=only, help=f"one of them: {', '.join(only)}"
        )
    parser.add_argument(
        "--threads",
        metavar="N",
        type=positive,
        default=len(os.sched_getaffinity(0)),
        help="threads to compute on (default: %(default)s)",
    )
    parser.add_argument("--json", metavar="PATH", type=Path, help="write every number there, too")
    return parser


def positive(text: str) -> int:
    """A count of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)
