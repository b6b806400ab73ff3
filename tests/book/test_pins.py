"""What the group docs brings has its versions written down."""

import re

import pytest

pytest.importorskip("mkdocs", reason="mkdocs is not installed")

from tests.house.pins import pinned
from tests.house.test_packaging import closure, read


def test_every_pin_of_the_book_is_needed_and_whatever_it_needs_has_one():
    group = re.search(r"^docs = \[(.*?)^\]", read("pyproject.toml"), re.S | re.M)[1]
    asked = re.findall(r'"([\w.-]+)>=', group)
    assert {"mkdocs-material", "latex2mathml"} <= {*asked}
    assert closure(asked) - pinned() == pinned("group docs")
