"""A page's examples, run as a reader would: in order, each going on from the one before."""

import linecache
import re
from pathlib import Path

EXAMPLE = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<shown>.*?)^```)?", re.M | re.S
)


def run(page: Path, capsys) -> int:
    """Run the Python of a page; what stands right below a block is what it prints. How many do."""
    text = page.read_text(encoding="utf-8")
    # as a notebook does it: the text of a rule must be found
    linecache.cache[str(page)] = len(text), None, text.splitlines(keepends=True), str(page)
    names: dict[str, object] = {"__name__": page.stem}
    shown = 0
    capsys.readouterr()
    for example in EXAMPLE.finditer(text):
        above = "\n" * text[: example.start("code")].count("\n")
        exec(compile(above + example["code"], str(page), "exec"), names)
        printed = capsys.readouterr().out
        if example["shown"] is not None:
            assert printed.rstrip() == example["shown"].rstrip()
            shown += 1
    return shown
