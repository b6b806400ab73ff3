"""The command line: `thalweg compare`, and the console entry that starts it."""

import importlib.util
import sys

__all__ = ["lr_find", "main"]

_NEEDS = ("matplotlib", "plotly", "rich", "scipy", "sklearn", "threadpoolctl", "typer")


def __getattr__(name: str) -> object:
    """What is imported when it is asked for: `lr_find`, with which a library finds a rate."""
    if name != "lr_find":
        raise AttributeError(f"module 'thalweg.lab' has no attribute {name!r}")
    from thalweg.lab.range_test import lr_find

    return lr_find


def main() -> None:
    """Run the command line and exit with its code."""
    missing = [package for package in _NEEDS if importlib.util.find_spec(package) is None]
    if missing:
        sentence = f"the command line needs {', '.join(missing)}: pip install 'thalweg[lab]'"
        print(f"thalweg: {sentence}", file=sys.stderr)
        sys.exit(2)

    try:
        from thalweg.lab.cli import run

        sys.exit(run())
    except KeyboardInterrupt:
        sys.exit(130)
