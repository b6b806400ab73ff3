"""docs/language.md: its examples run as they stand, and print what stands below them."""

import linecache
import re

from tests.house.test_pages import ROOT

PAGE = ROOT / "docs" / "language.md"


def test_every_example_runs_and_prints_what_is_shown(capsys):
    text = PAGE.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    # as a notebook does it: the text of a rule must be found
    linecache.cache[str(PAGE)] = len(text), None, lines, str(PAGE)
    names: dict[str, object] = {"__name__": "language"}
    blocks = list(re.finditer(r"^```(python|text)\n(.*?)^```", text, re.M | re.S))
    shown = 0
    for block in blocks:
        if block[1] == "python":
            above = "\n" * text[: block.start(2)].count("\n")
            exec(compile(above + block[2], str(PAGE), "exec"), names)
        else:
            assert capsys.readouterr().out.rstrip() == block[2].rstrip()
            shown += 1
    assert shown == 2
    assert len(blocks) > 6
