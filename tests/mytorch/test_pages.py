"""The pages of docs/mytorch say what is so: their examples run, their tables hold."""

import re
import warnings
from pathlib import Path

import pytest

from thalweg.mytorch import nn, optim

PAGES = sorted((Path(__file__).parents[2] / "docs" / "mytorch").glob("*.md"))
FIRST = next(page for page in PAGES if page.stem == "first_mytorch").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_examples_run(page):
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:  # as a reader would: each goes on from the one before
        exec(compile(block, page.name, "exec"), names)


def rows(heading: str) -> list[list[str]]:
    """The cells of the table that begins with this row."""
    lines = FIRST[FIRST.index(heading) :].splitlines()[2:]
    table = lines[: lines.index("")] if "" in lines else lines
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_its_defaults_are_ours():
    made = {"SGD": optim.SGD, "AdaGrad": optim.AdaGrad, "Adam": optim.Adam}
    for what, _, here in rows("| default |"):
        names, kind = what.split(" of ")
        defaults = made[kind](nn.Linear(1, 1)).defaults
        values = [defaults[name] for name in names.split(", ")]
        flat = values[0] if isinstance(values[0], tuple) else values
        assert list(flat) == [float(number) for number in here.split(", ")], what


def test_what_it_says_of_each_order_is_so():
    for written, _, here in rows("| written |"):
        names = {**vars(optim), "m": nn.Linear(1, 1)}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                eval(written.strip("`"), {"__builtins__": {}}, names)
            except TypeError:
                assert "refused" in here
            else:
                assert "refused" not in here
        assert bool(caught) == ("warns" in here), written
